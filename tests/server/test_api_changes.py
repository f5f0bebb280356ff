"""What callers rely on does not change without a word to them, and what goes says so for a year."""

from __future__ import annotations

import asyncio
import copy
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from litestar.types import Message, Receive, Scope, Send

from scripts.api_changes import CHANGELOG, DOCUMENT, RECORDED, breaking, surface, unexplained
from server.deprecation import DEPRECATED, LEAST_DAYS, Deprecation
from server.metrics import Metrics
from server.observer import RequestObserver

OPENAPI = json.loads(DOCUMENT.read_text())
VERIFY = "POST /v1/verify"


def test_a_breaking_change_is_in_the_changelog() -> None:
    """If this fails: docs/api-changelog.md needs these lines under Unreleased, with what to do instead."""
    changes = breaking(json.loads(RECORDED.read_text()), surface(OPENAPI))
    assert unexplained(changes, CHANGELOG.read_text()) == []


def changed(*path: str, to: object = None) -> dict[str, Any]:
    """openapi.json with something else, or nothing, at a place."""
    document = copy.deepcopy(OPENAPI)
    place = document
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return document


BODY = ("paths", "/v1/verify", "post", "requestBody", "content", "application/json", "schema")
REPLY = ("components", "schemas", "Verification", "properties")


@pytest.mark.parametrize(
    ("document", "line"),
    [
        (changed("paths", "/v1/verify"), f"`{VERIFY}` is gone"),
        (changed(*BODY, "properties", "photo"), f"`{VERIFY}` no longer takes `photo`"),
        (changed(*BODY, "required", to=["subject_id", "use_case"]), f"`{VERIFY}` requires `use_case`"),
        (
            changed(*BODY, "properties", "subject_id", "type", to="integer"),
            f"`{VERIFY}` no longer takes string as `subject_id`",
        ),
        (changed(*REPLY, "decision"), f"`{VERIFY}` no longer answers `decision`"),
        (
            changed(*REPLY, "policy", to={"oneOf": [{"type": "string"}, {"type": "null"}]}),
            f"`{VERIFY}` may answer null as `policy`",
        ),
    ],
)
def test_a_breaking_change_is_found(document: dict[str, Any], line: str) -> None:
    found = breaking(surface(OPENAPI), surface(document))
    assert line in found
    assert unexplained(found, f"# Changes\n\n## Unreleased\n\n## 0.1.0\n\n- {line}\n")
    explained = "".join(f"- {one}\n" for one in found)
    assert not unexplained(found, f"# Changes\n\n## Unreleased\n\n{explained}\n## 0.1.0\n")


def test_more_is_no_breaking_change() -> None:
    more = changed(*BODY, "properties", "colour", to={"type": "string"})
    more["paths"]["/v2/verify"] = more["paths"]["/v1/verify"]
    more["components"]["schemas"]["Verification"]["properties"]["colour"] = {"type": "string"}
    assert breaking(surface(OPENAPI), surface(more)) == []


def test_what_goes_is_marked_and_stays_for_a_year() -> None:
    marked = {
        f"{method.upper()} {path}"
        for path, methods in OPENAPI["paths"].items()
        for method, operation in methods.items()
        if operation.get("deprecated")
    }
    assert marked == set(DEPRECATED)
    assert all(one.sunset - one.since >= timedelta(days=LEAST_DAYS) for one in DEPRECATED.values())


def test_a_reply_says_that_its_route_goes() -> None:
    going = Deprecation(since=datetime(2027, 1, 1, tzinfo=UTC), sunset=datetime(2028, 1, 2, tzinfo=UTC))

    def headers_of(method: str) -> dict[bytes, bytes]:
        sent: list[Any] = []

        async def app(scope: Scope, _: Receive, send: Send) -> None:
            scope["path_template"] = "/v1/old"  # type: ignore[typeddict-unknown-key]
            await send({"type": "http.response.start", "status": 200, "headers": []})

        async def send(message: Message) -> None:
            sent.append(message)

        observer = RequestObserver(app, Metrics(), deprecated={"GET /v1/old": going})
        scope: Any = {"type": "http", "method": method, "path": "/v1/old", "scheme": "http", "state": {}}
        asyncio.run(observer(scope, send, send))
        return dict(sent[0]["headers"])

    told = headers_of("GET")
    assert told[b"deprecation"] == b"@1798761600"
    assert told[b"sunset"] == b"Sun, 02 Jan 2028 00:00:00 GMT"
    assert not {b"deprecation", b"sunset"} & set(headers_of("POST"))
