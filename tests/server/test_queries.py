"""Queries of routes without a body: what is not known is refused, and the detail says what is."""

from __future__ import annotations

import httpx
import pytest
from litestar.testing import TestClient

from govid import Settings
from server import queries
from server.app import create_app


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("/v1/subjects?lmit=3", ["'lmit'", "after", "limit"]),
        ("/v1/audit?subject=alice", ["'subject'", "subject_id", "request_id"]),
        ("/v1/audit?about_request=x", ["'about_request'"]),
        ("/v1/audit?operation=nonsense", ["'nonsense'", "operation"]),
        ("/v1/audit?outcome=match", ["'match'", "outcome"]),
        ("/v1/audit?outcome=MATCH&outcome=NON_MATCH", ["twice"]),
        ("/v1/audit?x", ["'x'"]),
        ("/v1/audit?%ff%00=1", ["known are"]),
        ("/v1/gallery?full=1", ["known are none"]),
        ("/v1/subjects?limit=0", [">= 1", "limit"]),
        ("/v1/subjects?limit=many", ["int", "limit"]),
        ("/v1/cases?state=ajar", ["open", "closed", "state"]),
    ],
)
def test_a_wrong_query_names_what_would_be_right(api: httpx.Client, address: str, words: list[str]) -> None:
    reply = api.get(address)
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-parameter")
    for word in words:
        assert word in reply.json()["detail"]


def test_a_right_query_passes(api: httpx.Client) -> None:
    for address in (
        "/v1/subjects?after=&limit=3",
        "/v1/audit?request_id=x&since=0",
        "/healthz",
        "/v1/cases?state=closed",
        "/v1/audit?operation=view_photo&outcome=FACE_NOT_DETECTED",
        "/v1/audit?outcome=unknown-subject",
    ):
        assert api.get(address).status_code == 200


def test_a_deletion_has_no_parameters(api: httpx.Client) -> None:
    assert api.delete("/v1/subjects/nobody?force=true").json()["slug"] == "invalid-parameter"
    assert api.delete("/v1/subjects/nobody").json()["slug"] == "unknown-subject"


def test_what_a_route_knows_is_remembered_once(settings: Settings) -> None:
    """Not anew for each request: nothing would ever forget it."""
    queries._known.cache_clear()
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        for _ in range(3):
            assert client.get("/healthz?force=true").status_code == 400
    assert queries._known.cache_info().currsize == 1
