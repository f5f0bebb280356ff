"""Kept photos over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import httpx
import pytest

from govid import Engine, Settings
from govid.callers import Scope
from tests import support
from tests.server.access import bearer, caller, make_keys
from tests.support import b64

Desk: TypeAlias = tuple[httpx.Client, dict[str, dict[str, str]]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A server that keeps photos for a week, and the keys of its callers."""
    folder = support.data_dir(tmp_path_factory.mktemp("photos") / "var")
    parties = [caller(str(scope), scope) for scope in Scope]
    keys = {name: bearer(key) for name, key in make_keys(folder, *parties).items()}
    with support.server(folder, GOVID_KEEP_PHOTOS_DAYS="7", GOVID_ON_DUPLICATE="hold") as (client, _):
        yield client, keys


def test_a_photo_is_shown_to_who_decides_its_case_and_to_nobody_else(desk: Desk) -> None:
    api, keys = desk
    enrol = keys["enrol"]
    first = api.post(
        "/v1/subjects", json={"subject_id": "one", "photo": b64(support.OBAMA)}, headers=enrol
    ).json()
    assert first["photo_kept_until"]
    second = api.post(
        "/v1/subjects",
        params={"subject_id": "two", "keep_photo_days": "0"},
        headers={**enrol, "content-type": "application/octet-stream"},
        content=support.OBAMA_LATER,
    ).json()
    assert (second["held"], second["photo_kept_until"]) == (True, None)
    too_long = api.post(
        "/v1/subjects/one/references",
        files={"photo": support.OBAMA_LATER, "keep_photo_days": b"7.5"},
        headers=enrol,
    )
    assert (too_long.status_code, too_long.json()["slug"]) == (400, "invalid-parameter")

    case = api.get(f"/v1/cases/{second['case_id']}", headers=keys["adjudicate"]).json()
    (pair,) = case["pairs"]
    assert {pair["reference_a"], pair["reference_b"]} == {first["reference_id"], second["reference_id"]}
    address = f"/v1/cases/{case['case_id']}/photos"
    shown = api.get(f"{address}/{first['reference_id']}", headers=keys["adjudicate"])
    assert shown.headers["content-type"] == "image/jpeg"
    assert shown.headers["cache-control"] == "no-store"
    assert support.opened(shown.content).width > 100
    missing = api.get(f"{address}/{second['reference_id']}", headers=keys["adjudicate"])
    assert (missing.status_code, missing.json()["slug"]) == (404, "photo-not-kept")

    for name, key in keys.items():
        if name != "adjudicate":
            assert api.get(f"{address}/{first['reference_id']}", headers=key).status_code == 403
    assert api.get(f"{address}/{first['reference_id']}").status_code == 401

    api.post(
        f"/v1/cases/{case['case_id']}/verdicts", json={"verdict": "twins"}, headers=keys["adjudicate"]
    ).raise_for_status()
    closed = api.get(f"{address}/{first['reference_id']}", headers=keys["adjudicate"])
    assert (closed.status_code, closed.json()["slug"]) == (409, "case-closed")

    looks = api.get("/v1/audit", params={"operation": "view_photo"}, headers=keys["audit"]).json()["rows"]
    assert [row["record"]["outcome"] for row in looks] == ["case-closed", "photo-not-kept", "SHOWN"]
    assert looks[-1]["record"]["caller"] == "adjudicate"
    assert (looks[-1]["record"]["subject_id"], looks[-1]["record"]["case_id"]) == ("one", case["case_id"])


def test_a_server_erases_what_is_past_its_time_and_hands_over_what_is_held(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with Engine(Settings(data_dir=str(folder), keep_photos_days=1e-6)) as engine:
        engine.enrol("alice", support.OBAMA)
    with support.server(folder) as (api, _):

        def erasures() -> list[dict[str, Any]]:
            found: list[dict[str, Any]] = api.get("/v1/audit?operation=retention").json()["rows"]
            return found

        support.wait_until(erasures)
        rows = erasures()
        assert [row["record"]["erased"] for row in rows] == [{"photos": 1}]
        assert api.get("/v1/subjects/alice").json()["references"][0]["photo_kept_until"] is None
        reply = api.get("/v1/subjects/alice/export")
        (tmp_path / "keys.json").write_bytes(api.get("/v1/receipts/keys").content)
    assert reply.headers["content-type"] == "application/json"
    assert reply.json()["export"]["references"][0]["photo"] is None
    (tmp_path / "export.json").write_bytes(reply.content)
    check = [support.GOVID, "subject", "check", str(tmp_path / "export.json"), "--keys"]
    assert subprocess.run([*check, str(tmp_path / "keys.json")], check=False).returncode == 0
    (tmp_path / "export.json").write_bytes(reply.content.replace(b"alice", b"bobby", 1))
    assert subprocess.run([*check, str(tmp_path / "keys.json")], check=False).returncode == 3
