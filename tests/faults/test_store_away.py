"""PostgreSQL goes away and comes back, or has no connection left: a clear no meanwhile, and nothing lost."""

from __future__ import annotations

import os
import random
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import psycopg
import pytest

from govid.store.pool import WAIT_SECONDS
from tests import support
from tests.faults.registrar import Promises, Registrar, model_id, registrars_at_work
from tests.postgresql import PASSWORD, PostgresqlServer, postgresql_server
from tests.support import OBAMA, wait_until


def await_one_more(registrar: Registrar) -> None:
    """Return once another enrolment was acknowledged."""
    before = registrar.acknowledged
    wait_until(lambda: registrar.acknowledged > before)


def store_away(client: httpx.Client) -> bool:
    """Whether /readyz says that the store, and nothing else but what needs it, is away."""
    ready = client.get("/readyz")
    if ready.status_code == 200:
        return False
    assert ready.status_code == 503
    health = ready.json()
    wrong = {name: state for name, state in health["checks"].items() if state != "ok"}
    assert set(health["reasons"]) == set(wrong)
    assert wrong.pop("chores", "chore-failing") == "chore-failing"
    assert (health["status"], wrong) == ("unavailable", {"store": "store-unavailable"})
    return True


@pytest.mark.slow
def test_postgresql_killed_under_load_and_started_again_loses_nothing(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    promises = Promises()
    with (
        postgresql_server(fsync=True) as postgresql,
        support.server(folder, GOVID_STORE_URL=postgresql.new_database()) as (client, process),
    ):
        for round_number in range(3):
            with registrars_at_work(client, round_number * 10, promises) as registrars:
                wait_until(lambda: all(registrar.acknowledged > 5 for registrar in registrars))
                postgresql.kill()
                wait_until(lambda: all(registrar.away for registrar in registrars))
                wait_until(lambda: store_away(client))
                assert client.get("/healthz").status_code == 200
                assert all(reply.headers["retry-after"] for r in registrars for reply in r.away)
                postgresql.start()
                wait_until(lambda: client.get("/readyz").status_code == 200)
                for registrar in registrars:
                    await_one_more(registrar)
            promises.check(client, random.Random(round_number))
        assert process.poll() is None
    log = (folder / "server.log").read_text()
    assert "store-unavailable" in log
    assert PASSWORD not in log


@pytest.mark.parametrize("command", [("serve", "--port", "0"), ("doctor",)])
def test_without_its_postgresql_a_command_says_what_is_wrong(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    folder = support.data_dir(tmp_path / "var")
    done = subprocess.run(
        [support.GOVID, "--data-dir", str(folder), *command],
        check=False,
        env={**os.environ, "GOVID_STORE_URL": f"postgresql://govid:{PASSWORD}@127.0.0.1:1/records"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 1
    assert "store-unavailable" in said
    assert "postgresql://govid@127.0.0.1:1/records" in said
    assert PASSWORD not in said


def test_without_a_free_connection_requests_are_refused_and_then_served(
    tmp_path: Path, postgresql: PostgresqlServer
) -> None:
    folder, url = support.data_dir(tmp_path / "var"), postgresql.new_database()
    patient = f"{url}&options=-c%20statement_timeout%3D{int(WAIT_SECONDS * 1500)}"
    few = {"GOVID_STORE_URL": patient, "GOVID_STORE_CONNECTIONS": "1"}
    with support.server(folder, "--workers", "4", **few) as (client, _), ThreadPoolExecutor(4) as threads:
        client.post("/v1/subjects", data={"subject_id": "obama"}, files={"photo": OBAMA}).raise_for_status()
        embedding = client.post("/v1/embed", files={"photo": OBAMA}).json()["embedding"]
        probe = {"subject_id": "obama", "template": {"model_id": model_id(client), "embedding": embedding}}

        def ask(_: int) -> httpx.Response:
            return client.post("/v1/verify", json=probe)

        with psycopg.connect(url) as other:
            other.execute("LOCK TABLE audit")  # who writes its record now keeps the one connection
            replies = list(threads.map(ask, range(4)))
        assert {reply.status_code for reply in replies} == {503}
        assert {reply.json()["slug"] for reply in replies} == {"store-unavailable"}
        assert [reply.status_code for reply in threads.map(ask, range(4))] == [200] * 4
