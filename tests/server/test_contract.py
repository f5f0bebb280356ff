"""What `openapi.json` says of a reply is what comes: no status and no header that it does not name."""

from __future__ import annotations

import inspect
import json
from typing import Any

import httpx
import pytest

from govid import use_cases
from govid.client import Client
from govid.policy import Liveness
from govid.types import EPOCH
from tests.conftest import Served
from tests.support import OBAMA, OBAMA_LATER, ROOT, b64

OPENAPI = json.loads((ROOT / "openapi.json").read_text())
OPERATIONS = {
    operation["operationId"]: (f"{method.upper()} {path}", operation)
    for path, methods in OPENAPI["paths"].items()
    for method, operation in methods.items()
}
SHIPPED = sorted(file.stem for file in (ROOT / "python/govid/use_cases").glob("*.toml"))
SAID = set(OPENAPI["components"]["headers"])
# Of a client, and of no route: what it does here.
LOCAL = {"close", "verify_receipt"}


def operation_of(reply: httpx.Response) -> dict[str, Any]:
    """The operation that a reply answers; only of addresses without a name in them."""
    found: dict[str, Any] = OPENAPI["paths"][reply.request.url.path][reply.request.method.lower()]
    return found


def check(reply: httpx.Response) -> None:
    """The status of a reply, and each header that the document knows, are declared for its route."""
    declared = operation_of(reply)["responses"]
    assert str(reply.status_code) in declared, reply.text
    sent = {name for name in SAID if name in reply.headers}
    assert sent <= set(declared[str(reply.status_code)]["headers"])
    assert "X-Request-Id" in sent
    assert reply.status_code not in {429, 503} or "Retry-After" in sent


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_use_case_answers_as_declared(api: httpx.Client, name: str) -> None:
    """Whether or not this installation has what the use case demands."""
    api.post("/v1/subjects", json={"subject_id": "contract", "photo": b64(OBAMA)})
    photos = {"reference_photo": b64(OBAMA), "probe_photo": b64(OBAMA_LATER), "use_case": name}
    probe = {"photo": b64(OBAMA_LATER), "use_case": name}
    for reply in (
        api.post("/v1/compare", json=photos),
        api.post("/v1/verify", json={**probe, "subject_id": "contract"}),
        api.post("/v1/identify", json=probe),
    ):
        check(reply)
        demands = use_cases.shipped(name).liveness is not Liveness.NONE
        assert (reply.status_code == 501) == demands
        assert reply.status_code == 200 or reply.json()["slug"] in {
            "liveness-unavailable",
            "profile-unavailable",
        }
        assert reply.status_code != 200 or "Server-Timing" in reply.headers


def test_headers_of_writes_are_declared(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "contract-headers"}
    said = {"subject_id": "contract-headers", "photo": b64(OBAMA)}
    first, again = (api.post("/v1/subjects", json=said, headers=key) for _ in range(2))
    for reply in (first, again, api.post("/v1/subjects", json=said), api.post("/v1/subjects")):
        check(reply)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert "Idempotency-Replayed" not in first.headers
    check(api.get("/v1/use-cases", headers={"Accept-Language": "zh"}))


def test_whoever_has_to_name_a_use_case_may_read_them(served: Served) -> None:
    for party in ("desk", "searcher"):
        with served.client(party) as client:
            assert set(SHIPPED) == {one.use_case.name for one in client.use_cases()}


def test_no_route_declares_what_it_cannot_answer() -> None:
    def declared(name: str) -> set[str]:
        return set(OPERATIONS[name][1]["responses"])

    assert not {"404", "409", "501"} & declared("embed")
    assert not {"404", "409"} & (declared("compare") | declared("identify"))
    assert "404" not in declared("enrol")
    assert ("202" in declared("enrol"), "202" in declared("add_reference")) == (True, False)
    assert {name for name in OPERATIONS if "501" in declared(name)} == {"compare", "verify", "identify"}


def test_names_are_those_of_the_client_and_each_is_there_once() -> None:
    routes = sum(len(methods) for methods in OPENAPI["paths"].values())
    assert len(OPERATIONS) == routes
    methods = {
        name
        for name, _ in inspect.getmembers(Client, inspect.isfunction)
        if not name.startswith("_") and name not in LOCAL
    }
    assert methods == set(OPERATIONS)
    assert all(name.isidentifier() and name.islower() for name in OPERATIONS)


def test_summaries_say_something_and_no_two_the_same() -> None:
    summaries = [operation["summary"] for _, operation in OPERATIONS.values()]
    assert len(set(summaries)) == len(summaries)
    assert all(" " in summary for summary in summaries)


def test_every_time_has_a_unit_and_a_beginning() -> None:
    times = {
        f"{kind}.{name}": field.get("description", "")
        for kind, schema in OPENAPI["components"]["schemas"].items()
        for name, field in schema.get("properties", {}).items()
        if name in {"time", "photo_kept_until"} or (name.endswith("_at") and name != "broken_at")
    }
    assert len(times) > 15
    assert [name for name, said in times.items() if EPOCH not in said] == []


def test_headers_are_said_where_they_come() -> None:
    def headers(name: str, status: str) -> set[str]:
        return set(OPERATIONS[name][1]["responses"][status]["headers"])

    assert {"X-Request-Id", "Deprecation", "Sunset", "Server-Timing"} == headers("verify", "200")
    assert {"Idempotency-Replayed", "Server-Timing"} <= headers("enrol", "202")
    assert "Idempotency-Replayed" in headers("delete", "200")
    for _, operation in OPERATIONS.values():
        for status, reply in operation["responses"].items():
            assert ("Retry-After" in reply["headers"]) == (status in {"429", "503"})
            assert all(
                one["$ref"].rsplit("/", 1)[-1] == name
                for name, one in reply["headers"].items()
                if "$ref" in one
            )
