from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import threading
import time
from pathlib import Path

import httpx
import pytest
from litestar.testing import TestClient

from govid import Engine
from govid.config import Settings
from govid.store.keys import KeyStore
from govid.store.notifications import enqueue
from govid.wire import Health
from server import health
from server.access.settings import AccessSettings
from server.app import create_app
from server.chores import Chores
from server.controllers.system import readiness
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from server.watch import Watch
from tests import support
from tests.attacks.wire import connected
from tests.server.access import Authority, caller
from tests.support import OBAMA, PATIENCE_SECONDS, wait_until


class StillLoading(Service):
    """A service whose models never come."""

    def _load(self) -> None:
        pass


def test_a_loading_server_lives_but_is_not_ready() -> None:
    metrics = Metrics()
    access = AccessSettings(open_metrics=True)
    service = StillLoading(Settings(), ServerSettings(), metrics, access)
    with TestClient(create_app(service=service, metrics=metrics, access=access)) as client:
        assert client.get("/healthz").status_code == 200
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["checks"] == {"models": "loading", "gallery": "loading", "store": "loading"}
        asked = client.post("/v1/embed", files={"photo": OBAMA})
        assert (asked.status_code, asked.json()["slug"]) == (503, "not-ready")
        assert asked.headers["retry-after"] == "1"
        assert "govid_ready 0.0" in client.get("/metrics").text


def test_without_its_shared_gallery_a_server_verifies_and_says_what_is_away(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody answers there
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with support.server(support.data_dir(tmp_path / "var"), GOVID_GALLERY_URL=url) as (client, _):
            ready = client.get("/readyz")
            assert (ready.status_code, ready.json()["checks"]["gallery"]) == (200, "gallery-unavailable")
            made = client.post("/v1/subjects", data={"subject_id": "a"}, files={"photo": OBAMA})
            assert (made.status_code, made.json()["slug"]) == (503, "gallery-unavailable")
            found = client.post("/v1/identify", files={"photo": OBAMA})
            assert (found.status_code, found.json()["slug"]) == (503, "gallery-unavailable")
            verified = client.post("/v1/compare", files={"reference_photo": OBAMA, "probe_photo": OBAMA})
            assert verified.json()["decision"] == "MATCH"


def test_a_flood_of_questions_is_one_question_to_the_store(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anybody may ask: a connection for each would take those of the requests that count."""
    asked, go_on = [], threading.Event()
    ping = engine.store.ping

    def slow() -> None:
        asked.append(1)
        assert go_on.wait(PATIENCE_SECONDS)
        ping()

    monkeypatch.setattr(engine.store, "ping", slow)
    metrics = Metrics()
    service = Service(Settings(), ServerSettings(), metrics)
    service._engine = engine
    service._dependencies = health.Dependencies(
        engine, Chores(engine, metrics, checkpoint_seconds=60, retention_seconds=0, webhook=None)
    )

    async def flood() -> list[Health]:
        questions = [asyncio.create_task(readiness(service)) for _ in range(50)]
        await asyncio.sleep(0)
        questions.pop().cancel()
        go_on.set()
        answers = await asyncio.gather(*questions)
        await service.look()
        return answers

    assert [answer.status for answer in asyncio.run(flood())] == ["ready"] * 49
    assert len(asked) == 2


def watch_of(engine: Engine, metrics: Metrics, server: ServerSettings) -> Watch:
    chores = Chores(engine, metrics, checkpoint_seconds=60, retention_seconds=0, webhook=None)
    return Watch(engine, health.Dependencies(engine, chores), metrics, server)


def checks(client: httpx.Client) -> tuple[int, str, dict[str, str]]:
    """Status, word and what is not ok at /readyz."""
    reply = client.get("/readyz")
    health = reply.json()
    wrong = {name: state for name, state in health["checks"].items() if state != "ok"}
    assert set(health["reasons"]) == set(wrong)
    return reply.status_code, health["status"], wrong


def test_each_dependency_has_a_name_and_a_reason_that_tells_no_path(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        assert checks(client) == (200, "ready", {})
        names = set(client.get("/readyz").json()["checks"])
        assert names == {"models", "store", "gallery", "use_cases", "signing_key", "disk", "chores"}
        support.use_case(folder, "own", "a key that is none\n")
        (folder / "keys" / "signing.pem").rename(folder / "keys" / "away")
        gone = {"use_cases": "use-cases-stale", "signing_key": "signing-key-gone"}
        wait_until(lambda: checks(client) == (200, "degraded", gone))
        assert str(folder) not in client.get("/readyz").text
        (folder / "keys" / "away").rename(folder / "keys" / "signing.pem")
        (folder / "use_cases" / "own.toml").unlink()
        wait_until(lambda: checks(client) == (200, "ready", {}))
    log = (folder / "server.log").read_text()
    assert str(folder / "use_cases" / "own.toml") in log
    assert log.count(str(folder / "keys" / "signing.pem")) == 1, "once, however often it is asked"
    assert "signing_key: ok again" in log


def test_a_full_disk_and_failing_chores_are_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    chores = Chores(engine, metrics, checkpoint_seconds=1e-9, retention_seconds=0, webhook=None)
    dependencies = health.Dependencies(engine, chores)
    assert [check.name for check in dependencies.look() if check.problem] == []
    engine.compare(OBAMA, OBAMA)
    with engine.store.database.writing() as connection:
        connection.execute("UPDATE audit SET record = '{}'")
    for chore in chores._chores:
        chores._do(chore)
    free = shutil._ntuple_diskusage(1 << 40, 1 << 40, health.LOW_DISK_BYTES - 1)  # type: ignore[attr-defined]
    monkeypatch.setattr(health.shutil, "disk_usage", lambda _: free)
    watch = Watch(engine, dependencies, metrics, ServerSettings())
    watch.look()
    wrong = {check.name: check.state for check in dependencies.look() if check.problem}
    assert wrong == {"disk": "disk-low", "chores": "chore-failing"}
    assert "audit-broken" in chores.problem
    text = metrics.render().decode()
    assert 'govid_dependency_up{dependency="disk"} 0.0' in text
    assert 'govid_chore_failures_total{chore="checkpoints",slug="audit-broken"} 1.0' in text
    assert "govid_ready 1.0" in text
    assert "govid_audit_unsigned_rows 1.0" in text


def test_a_store_that_is_away_is_seen_by_the_watch(engine: Engine) -> None:
    metrics = Metrics()
    watch = watch_of(engine, metrics, ServerSettings())
    watch.look()
    assert "govid_ready 1.0" in metrics.render().decode()
    engine.store.close()
    watch.look()
    text = metrics.render().decode()
    assert "govid_ready 0.0" in text
    assert 'govid_dependency_up{dependency="store"} 0.0' in text


def test_what_ends_is_shown(engine: Engine, tmp_path: Path) -> None:
    certificate, key, _ = Authority(tmp_path / "ca").issue("localhost")
    server = ServerSettings(tls_certificate=str(certificate), tls_key=str(key))
    metrics = Metrics()
    watch = watch_of(engine, metrics, server)
    ends = time.time() + 1000
    keys = KeyStore(engine.store.database)
    keys.create(caller("later"), expires_at=ends + 1000)
    keys.create(caller("sooner"), expires_at=ends)
    watch.look()

    def shown(what: str) -> float | None:
        return metrics.registry.get_sample_value("govid_expiry_timestamp_seconds", {"what": what})

    assert shown("api_key") == ends
    assert 0 < (shown("certificate") or 0) - time.time() < 2 * 86400
    for name in ("sooner", "later"):
        keys.revoke(name)
    watch.look()
    assert shown("api_key") is None


def test_announcements_wait_only_where_somebody_is_to_hear_them(engine: Engine) -> None:
    with engine.store.database.writing() as connection:
        enqueue(connection, "complaint.opened", {})
    for url, waiting in (("", 0.0), ("https://operator.example/hook", 1.0)):
        metrics = Metrics()
        watch_of(engine, metrics, ServerSettings(webhook_url=url)).look()
        assert metrics.registry.get_sample_value("govid_webhook_waiting") == waiting
        age = metrics.registry.get_sample_value("govid_webhook_oldest_seconds")
        assert age is not None
        assert (age > 0) is bool(waiting)


def test_a_server_that_is_told_to_stop_answers_until_its_balancer_has_noticed(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, GOVID_DRAIN_SECONDS="60") as (client, process):
        assert "connection" not in client.get("/readyz").headers
        process.terminate()
        wait_until(lambda: client.get("/readyz").status_code != 200)
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        assert client.get("/healthz").status_code == 200
        compared = client.post("/v1/compare", files={"reference_photo": OBAMA, "probe_photo": OBAMA})
        assert compared.json()["decision"] == "MATCH"
        # Its caller opens another one, to another server: none is left to be cut off at the end.
        assert {reply.headers["connection"] for reply in (ready, compared)} == {"close"}
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0, "a second signal does not wait"


def test_what_was_begun_before_the_stop_is_answered(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, process):
        body = b"--b\r\nContent-Disposition: form-data; name=photo; filename=p\r\n\r\n"
        body += OBAMA + b"\r\n--b--\r\n"
        with connected(client) as connection:
            connection.sendall(
                b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" % len(body)
                + b"Content-Type: multipart/form-data; boundary=b\r\n\r\n"
                + body[:-1]
            )
            # In hand, once it has a place.
            wait_until(lambda: "govid_requests_waiting 1.0" in client.get("/metrics").text)
            process.terminate()
            wait_until(lambda: not accepts(client))
            connection.sendall(body[-1:])
            assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        assert process.wait(timeout=PATIENCE_SECONDS) == 0


def test_an_idle_tls_connection_is_not_waited_for(tmp_path: Path) -> None:
    """It would be an error in the log at every stop, and as long a wait as for a request that is computed."""
    certificate, key, _ = (authority := Authority(tmp_path / "ca")).issue("localhost")
    folder = support.data_dir(tmp_path / "var")
    with support.server(
        folder,
        tls=ssl.create_default_context(cafile=authority.file),
        GOVID_TLS_CERTIFICATE=str(certificate),
        GOVID_TLS_KEY=str(key),
    ) as (client, process):
        # The client's pool keeps it, and reads from it only when it is used.
        assert client.get("/healthz").status_code == 200
        process.terminate()
        assert process.wait(timeout=PATIENCE_SECONDS) == 0
    assert "error" not in (folder / "server.log").read_text().lower()


def accepts(client: httpx.Client) -> bool:
    try:
        with connected(client):
            return True
    except OSError:
        return False
