"""Fixtures: the real pipeline, an engine on a fresh SQLite file, a real server process."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

from govid import Engine, Settings
from govid.callers import Scope, Sight
from govid.client import Client
from govid.faces import FacePipeline
from tests import support
from tests.attacks.wire import client_of
from tests.clock import Clock, set_by_hand
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.server import access

# A busy machine takes its time for an example, and one that was drawn by chance stops nobody else's work.
hypothesis.settings.register_profile(
    "tests", deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("tests")

_CLUSTER = "tests/cluster"
# What takes longest begins first, so that no core waits for it at the end.
_FIRST = (_CLUSTER, "tests/lfw_eval", "tests/faults", "tests/govid/migration", "tests/console")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest first; within a file the order stays."""

    def rank(item: pytest.Item) -> int:
        return next((i for i, folder in enumerate(_FIRST) if item.nodeid.startswith(folder)), len(_FIRST))

    items.sort(key=rank)


class _Files(LoadScopeScheduling):
    """A process takes one file after the other, for the sake of its fixtures; all of the cluster is one."""

    def _split_scope(self, nodeid: str) -> str:
        return _CLUSTER if nodeid.startswith(_CLUSTER) else nodeid.partition("::")[0]


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Files:  # noqa: ANN401
    """Which process runs what (pytest-xdist)."""
    return _Files(config, log)


@pytest.fixture(scope="session")
def faces() -> FacePipeline:
    """The real models, loaded once."""
    return FacePipeline(Settings(data_dir=str(support.MODELS.parent)))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings of an empty data folder that has the models."""
    return Settings(data_dir=str(support.data_dir(tmp_path / "var")))


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """An engine without subjects."""
    with Engine(settings) as engine:
        yield engine


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The wall clock of this process; ``ahead`` sets it."""
    return set_by_hand(monkeypatch)


@pytest.fixture(scope="session")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """One server process for all tests that do not stop it; each test uses subjects of its own.

    ``make attack HOST=...`` names one that runs elsewhere.
    """
    if host := os.environ.get("GOVID_ATTACK_HOST"):
        with client_of(host, os.environ.get("GOVID_ATTACK_KEY", "")) as client:
            yield client
        return
    folder = support.data_dir(tmp_path_factory.mktemp("api") / "var")
    with support.server(folder) as (client, _):
        yield client


class Served(NamedTuple):
    """A server that asks who is there, and the keys of its relying parties by name."""

    address: str
    keys: dict[str, str]

    def client(self, name: str) -> Client:
        """A client of that party."""
        return Client(self.address, api_key=self.keys[name])


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server process with relying parties; each test deletes the subjects that it enrols."""
    folder = support.data_dir(tmp_path_factory.mktemp("served") / "var")
    parties = (
        access.caller("all", *Scope, sees=Sight.EXACT),
        access.caller("trial", Scope.VERIFY, Scope.ENROL, Scope.AUDIT),
        access.caller("desk", Scope.VERIFY),
        access.caller("searcher", Scope.IDENTIFY),
    )
    keys = access.make_keys(folder, *parties)
    with support.server(folder, GOVID_ON_DUPLICATE="hold", GOVID_KEEP_PHOTOS_DAYS="7") as (client, _):
        yield Served(str(client.base_url).rstrip("/"), keys)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server for all tests that do not stop it; each test has a database of its own."""
    with postgresql_server(fsync=False) as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def store_environment(request: pytest.FixtureRequest) -> dict[str, str]:
    """What tells a server process where the records of this test are."""
    if request.param == "sqlite":
        return {}
    return {"GOVID_STORE_URL": request.getfixturevalue("postgresql").new_schema()}


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 MiB, which a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    with tempfile.TemporaryDirectory(prefix="govid-small-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", name]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)
