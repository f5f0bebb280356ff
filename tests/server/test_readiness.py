from __future__ import annotations

from litestar.testing import TestClient

from govid.config import Settings
from server.access.settings import AccessSettings
from server.app import create_app
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
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
