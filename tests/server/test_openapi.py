from __future__ import annotations

import json
from typing import Any

import httpx
import pytest
import yaml
from litestar.testing import TestClient

from govid.config import Settings
from server.access.settings import AccessSettings
from server.app import create_app
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from tests.support import ROOT


def test_the_committed_document_is_the_live_one() -> None:
    """If this fails on purpose: `make openapi`, and look at the diff as an integrator would."""
    live = json.loads(json.dumps(create_app().openapi_schema.to_schema()))
    assert json.loads((ROOT / "openapi.json").read_text()) == live


def test_the_server_shows_it_and_loads_nothing_from_elsewhere(api: httpx.Client) -> None:
    shown = api.get("/schema")
    assert shown.headers["content-type"].startswith("application/")
    assert shown.json()["paths"]["/v1/verify"]["post"]["requestBody"]["content"].keys() == {
        "application/json",
        "application/octet-stream",
        "multipart/form-data",
    }
    for page in ("/schema/swagger", "/schema/redoc"):
        assert api.get(page).status_code == 404


def test_the_yaml_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes the event loop, and with it everybody, more than a tenth of a second."""
    rendered = []
    dump = yaml.safe_dump

    def counted(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - yaml's own
        rendered.append(1)
        return dump(*arguments, **options)

    monkeypatch.setattr(yaml, "safe_dump", counted)
    service = Service(Settings(), ServerSettings(), Metrics())
    monkeypatch.setattr(service, "_load", lambda: None)  # no engine is needed
    access = AccessSettings(open_schema=True)
    with TestClient(create_app(service=service, metrics=service.metrics, access=access)) as client:
        texts = {client.get(f"/schema/openapi.{kind}").text for kind in ("yaml", "yml", "yaml")}
    (text,) = texts
    assert yaml.safe_load(text) == json.loads((ROOT / "openapi.json").read_text())
    assert len(rendered) == 1
