"""PostgreSQL goes away and comes back, or has no connection left: a clear no meanwhile, and nothing lost."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import support
from tests.faults.registrar import Promises, model_id, registrars_at_work
from tests.postgresql import PASSWORD, PostgresqlServer, postgresql_server
from tests.support import OBAMA


def wait(until: Callable[[], object], seconds: float = 60) -> None:
    """Return once it holds."""
    deadline = time.monotonic() + seconds
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def store_away(client: httpx.Client) -> bool:
    """Whether /readyz says that the store, and nothing else, is away."""
    ready = client.get("/readyz")
    if ready.status_code == 200:
        return False
    assert ready.status_code == 503
    assert ready.json() == {
        "status": "unavailable",
        "checks": {"models": "ok", "gallery": "ok", "store": "store-unavailable"},
    }
    return True


@pytest.mark.slow
def test_postgresql_killed_under_load_and_started_again_loses_nothing(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    promises = Promises()
    with (
        postgresql_server() as postgresql,
        support.server(folder, GOVID_STORE_URL=postgresql.new_database()) as (client, process),
    ):
        for round_number in range(3):
            with registrars_at_work(client, round_number * 10, promises) as registrars:
                wait(lambda: all(len(registrar.present) > 5 for registrar in registrars))
                postgresql.kill()
                wait(lambda: all(registrar.away for registrar in registrars))
                wait(lambda: store_away(client))
                assert client.get("/healthz").status_code == 200
                assert all(reply.headers["retry-after"] for r in registrars for reply in r.away)
                postgresql.start()
                wait(lambda: client.get("/readyz").status_code == 200)
                before = [len(registrar.present) for registrar in registrars]
                wait(lambda: all(len(r.present) > n for r, n in zip(registrars, before, strict=True)))
            promises.check(client, lambda ids: ids[:: max(1, len(ids) // 10)])
        assert process.poll() is None
    log = (folder / "server.log").read_text()
    assert "store-unavailable" in log
    assert PASSWORD not in log


def test_a_server_without_its_postgresql_says_why_it_ends(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    url = f"postgresql://govid:{PASSWORD}@127.0.0.1:1/records"
    with pytest.raises(AssertionError, match="the server ended"), support.server(folder, GOVID_STORE_URL=url):
        pass
    log = (folder / "server.log").read_text()
    assert "store-unavailable" in log
    assert PASSWORD not in log


def test_without_a_free_connection_requests_are_refused_and_then_served(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    folder, url = support.data_dir(tmp_path / "var"), postgresql.new_database()
    few = {"GOVID_STORE_URL": url, "GOVID_STORE_CONNECTIONS": "1"}
    with support.server(folder, "--workers", "4", **few) as (client, _), ThreadPoolExecutor(4) as threads:
        embedding = client.post("/v1/embed", files={"photo": OBAMA}).json()["embedding"]
        probe = {"template": {"model_id": model_id(client), "embedding": embedding}}

        def ask(_: int) -> httpx.Response:
            return client.post("/v1/identify", json=probe)

        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE audit")  # who writes its record now keeps the one connection
            replies = list(threads.map(ask, range(4)))
        assert {reply.status_code for reply in replies} == {503}
        assert {reply.json()["slug"] for reply in replies} == {"store-unavailable"}
        assert [reply.status_code for reply in threads.map(ask, range(4))] == [200] * 4
