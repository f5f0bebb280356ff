from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest
from litestar.testing import TestClient

from govid import Engine
from govid.config import Settings
from server.access.settings import AccessSettings
from server.app import create_app
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from tests import support
from tests.support import OBAMA


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
        assert go_on.wait(10)
        ping()

    monkeypatch.setattr(engine.store, "ping", slow)
    service = Service(Settings(), ServerSettings(), Metrics())
    service._engine = engine

    async def flood() -> list[str]:
        questions = [asyncio.create_task(service.ping()) for _ in range(50)]
        await asyncio.sleep(0)
        questions.pop().cancel()
        go_on.set()
        answers = await asyncio.gather(*questions)
        await service.ping()
        return answers

    assert asyncio.run(flood()) == ["ok"] * 49
    assert len(asked) == 2
