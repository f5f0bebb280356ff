from __future__ import annotations

import json

import httpx

from server.app import create_app
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
