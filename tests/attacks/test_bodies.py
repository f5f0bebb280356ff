from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.support import OBAMA, b64

JSON = {"Content-Type": "application/json"}
PARTS = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nabc\r\n'

HOSTILE: dict[str, tuple[dict[str, str], bytes, int, str]] = {
    "broken JSON": (JSON, b'{"photo": ', 400, "malformed-body"),
    "not UTF-8": (JSON, b'{"photo": "\xff\xfe"}', 400, "invalid-base64"),
    "deep JSON": (JSON, b"[" * 50_000, 400, "invalid-body"),
    "deep field": (JSON, b'{"photo": ' + b"[" * 20_000, 400, "invalid-body"),
    "unknown field": (JSON, b'{"photo": "aGk=", "threshold": 0.1}', 400, "unknown-field"),
    "wrong type": (JSON, b'{"photo": 12}', 400, "invalid-body"),
    "no field": (JSON, b"{}", 400, "invalid-body"),
    "array": (JSON, b"[1]", 400, "invalid-body"),
    "wrong base64": (JSON, b'{"photo": "a*b"}', 400, "invalid-base64"),
    "unpadded base64": (JSON, b'{"photo": "aGk"}', 400, "invalid-base64"),
    "text/plain": ({"Content-Type": "text/plain"}, b'{"photo": "aGk="}', 415, "unsupported-content-type"),
    "no content type": ({}, b'{"photo": "aGk="}', 415, "unsupported-content-type"),
    "XML": ({"Content-Type": "application/xml"}, b"<!DOCTYPE a>", 415, "unsupported-content-type"),
    "form": (
        {"Content-Type": "application/x-www-form-urlencoded"},
        b"photo=a",
        415,
        "unsupported-content-type",
    ),
    "no boundary": ({"Content-Type": "multipart/form-data"}, PART, 400, "malformed-body"),
    "cut-off multipart": (PARTS, PART, 400, "malformed-body"),
    "no multipart": (PARTS, b"nothing of the kind", 400, "malformed-body"),
    "repeated part": (PARTS, PART + PART + b"--x--\r\n", 400, "invalid-body"),
    "many parts": (PARTS, PART.replace(b'"photo"', b'"p"') * 5000 + b"--x--\r\n", 400, "malformed-body"),
    "unknown part": (PARTS, PART.replace(b"photo", b"image") + b"--x--\r\n", 400, "unknown-field"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_body_is_refused_by_name(api: httpx.Client, name: str) -> None:
    headers, body, status, slug = HOSTILE[name]
    reply = api.post("/v1/embed", content=body, headers=headers)
    assert (reply.status_code, reply.json()["slug"]) == (status, slug)
    assert reply.json()["request_id"] == reply.headers["x-request-id"]


def test_text_is_never_taken_for_a_number_or_a_boolean(api: httpx.Client) -> None:
    body = {"photo": b64(OBAMA), "max_candidates": "5"}
    assert api.post("/v1/identify", json=body).json()["slug"] == "invalid-body"


def test_an_announced_giant_is_refused_before_it_is_sent(api: httpx.Client) -> None:
    reply = api.post("/v1/embed", content=b"x" * (20 << 20), headers=JSON)
    assert (reply.status_code, reply.json()["slug"]) == (413, "body-too-large")


def test_a_giant_in_chunks_is_cut_off(api: httpx.Client) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(200):
            sent += 1
            yield b"x" * (1 << 20)

    try:
        reply = api.post("/v1/embed", content=chunks(), headers=JSON)
        assert (reply.status_code, reply.json()["slug"]) == (413, "body-too-large")
    except httpx.TransportError:
        pass  # the server may close the connection while the client still writes
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("path", ["/v1/subjects/x", "/v1/models"])
def test_other_routes_take_no_large_body(api: httpx.Client, path: str) -> None:
    reply = api.request("GET", path, content=b"x" * (1 << 20), headers=JSON)
    assert reply.status_code in {200, 404, 413}
