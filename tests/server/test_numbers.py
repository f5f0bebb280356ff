"""Numbers in addresses: one spelling each, on every route that has one."""

from __future__ import annotations

import http.client
from urllib.parse import quote

import httpx
import pytest
from litestar.routes import HTTPRoute
from litestar.types.internal_types import PathParameterDefinition

from server.app import create_app
from tests.support import OBAMA, OBAMA_LATER, b64

WRONG = ["0", "007", "1_0", "+1", "-1", " 1", "1 ", "%31", "１", "٣", "1.0", "1e1", "0x1", "1" * 20, "1/"]


def addresses() -> list[tuple[str, str]]:
    """Method and address of each such route, with NUMBER for the last of its numbers."""
    found = []
    for route in create_app().routes:
        assert isinstance(route, HTTPRoute)
        parts: list[str] = []
        for part in route.path_components:
            number = isinstance(part, PathParameterDefinition) and part.type is int
            if number:
                parts = ["1" if one == "NUMBER" else one for one in parts]
            parts.append("NUMBER" if number else part if isinstance(part, str) else "x")
        if "NUMBER" in parts:
            found += [(method, "/" + "/".join(parts)) for method in route.methods if method != "OPTIONS"]
    return sorted(found)


def answered(api: httpx.Client, method: str, address: str) -> tuple[int, bytes]:
    """Of a request whose address nobody on the way makes nicer."""
    connection = http.client.HTTPConnection(api.base_url.host, api.base_url.port)
    connection.request(method, address, headers={"Sec-Fetch-Site": "same-origin"})
    reply = connection.getresponse()
    status, body = reply.status, reply.read()
    connection.close()
    return status, body


@pytest.mark.parametrize(("method", "address"), addresses())
def test_a_number_has_one_spelling(api: httpx.Client, method: str, address: str) -> None:
    unknown = answered(api, method, address.replace("NUMBER", "nobody"))
    assert unknown[0] == 404
    right = answered(api, method, address.replace("NUMBER", "9" * 18))
    assert "/console/" in address or b"not-found" not in right[1]
    for wrong in WRONG:
        said = answered(api, method, address.replace("NUMBER", quote(wrong, safe="%/+")))
        assert said[0] == 404, wrong
        assert "/console/" in address or b'"slug":"not-found"' in said[1], wrong


def test_a_reference_is_deleted_under_its_own_number_alone(api: httpx.Client) -> None:
    api.post("/v1/subjects", json={"subject_id": "numbers", "photo": b64(OBAMA)}).raise_for_status()
    more = {"photo": b64(OBAMA_LATER)}
    number = api.post("/v1/subjects/numbers/references", json=more).json()["reference_id"]
    for wrong in (f"0{number}", f"%2B{number}", f"{number}/", f"{number}_0"):
        assert answered(api, "DELETE", f"/v1/subjects/numbers/references/{wrong}")[0] == 404
    assert len(api.get("/v1/subjects/numbers").json()["references"]) == 2
    assert answered(api, "DELETE", f"/v1/subjects/numbers/references/{number}")[0] == 200
    api.delete("/v1/subjects/numbers").raise_for_status()
