from __future__ import annotations

import contextlib
import socket
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
import pytest

from govid.errors import InvalidBody
from server.bodies import Body
from server.protocol import GRACE_SECONDS
from server.schemas import IdentifyRequest
from tests import support
from tests.attacks.wire import connected, raw
from tests.support import OBAMA, b64

POST = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\n"
JSON = {"Content-Type": "application/json"}
PARTS = {"Content-Type": "multipart/form-data; boundary=x"}
PART = b'--x\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nabc\r\n'

HOSTILE: dict[str, tuple[dict[str, str], bytes, int, str]] = {
    "broken JSON": (JSON, b'{"photo": ', 400, "malformed-body"),
    "not UTF-8": (JSON, b'{"photo": "\xff\xfe"}', 400, "invalid-base64"),
    "deep JSON": (JSON, b"[" * 50_000, 400, "invalid-body"),
    "deep field": (JSON, b'{"photo": ' + b"[" * 20_000, 400, "invalid-body"),
    "unknown field": (JSON, b'{"photo": "aGk=", "threshold": 0.1}', 400, "unknown-field"),
    "field twice": (JSON, b'{"photo": "aGk=", "photo": "aGk="}', 400, "invalid-body"),
    "field twice in disguise": (JSON, b'{"photo": "aGk=", "ph\\u006fto": "aGk="}', 400, "invalid-body"),
    "endless number": (JSON, b'{"photo": "\\u0061AAA", "x": ' + b"1" * 5000 + b"}", 400, "unknown-field"),
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


SIZE = 8 << 20
TEMPLATE = b'--x\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n--x--\r\n'
BOMBS: dict[str, tuple[dict[str, str], bytes]] = {
    "arrays behind an escape": (JSON, b'{"x": "\\u0041", "y": [' + b"[]," * (SIZE // 3) + b"[]]}"),
    "objects behind an escape": (JSON, b'{"x": "\\u0041", "y": [' + b'{"a":{}},' * (SIZE // 9) + b"{}]}"),
    "arrays behind a name twice": (
        JSON,
        b'{"photo": "", "photo": "", "y": [' + b"[]," * (SIZE // 3) + b"[]]}",
    ),
    "arrays in place of a photo": (
        JSON,
        b'{"use_case": "\\u0041", "photo": [' + b"[]," * (SIZE // 3) + b"[]]}",
    ),
    "one name": (JSON, b"{" + b'"photo":"",' * (SIZE // 11) + b'"photo":""}'),
    "one name in disguise": (JSON, b"{" + b'"ph\\u006fto":"",' * (SIZE // 16) + b'"photo":""}'),
    "names": (JSON, b'{"x": "\\u0041"' + b"".join(b',"%x":1' % n for n in range(SIZE // 10)) + b"}"),
    "a list of subjects": (JSON, b'{"photo": "", "subjects": [' + b'"",' * (SIZE // 3) + b'""]}'),
    "a template": (
        PARTS,
        TEMPLATE % (b"template", b'{"x": "\\u0041", "y": [' + b"[]," * (SIZE // 3) + b"[]]}"),
    ),
    "a list of groups": (PARTS, TEMPLATE % (b"groups", b"[" + b'"",' * (SIZE // 3) + b'""]')),
}


@pytest.mark.parametrize("name", BOMBS)
def test_millions_of_small_things_are_never_made(name: str) -> None:
    headers, content = BOMBS[name]
    body = Body(headers["Content-Type"], b"", content)
    tracemalloc.start()
    try:
        with pytest.raises(InvalidBody):
            body.parse(IdentifyRequest)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A part is copied out of its body and made text; each thing in it would take fifty bytes.
    assert most < 3 * SIZE


def test_a_long_list_is_as_good_as_a_short_one() -> None:
    content = msgspec.json.encode({"photo": b"", "subjects": [f'"{n}"' for n in range(1000)]})
    assert len(Body("application/json", b"", content).parse(IdentifyRequest).subjects) == 1000


def test_text_is_never_taken_for_a_number_or_a_boolean(api: httpx.Client) -> None:
    body = {"photo": b64(OBAMA), "max_candidates": "5"}
    assert api.post("/v1/identify", json=body).json()["slug"] == "invalid-body"


def answered(connection: socket.socket) -> bytes:
    """One JSON answer; its head and body may come apart."""
    answer = b""
    while not answer.endswith(b"}"):
        block = connection.recv(65536)
        assert block, answer
        answer += block
    return answer


def test_an_announced_giant_is_refused_before_it_is_sent(api: httpx.Client) -> None:
    head = POST + b"Content-Type: application/json\r\nContent-Length: 20971520\r\n\r\n"
    answer = raw(api, head)
    assert answer.startswith(b"HTTP/1.1 413")
    assert b"body-too-large" in answer


def test_a_length_behind_thousands_of_zeros_is_that_length(api: httpx.Client) -> None:
    head = POST + b"Content-Type: application/json\r\nContent-Length: " + b"0" * 5000
    answer = raw(api, head + b"2\r\n\r\n{}")
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"invalid-body" in answer
    assert raw(api, head + b"20971520\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_a_giant_in_chunks_is_cut_off(api: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b"x" * (1 << 20)

    with contextlib.suppress(httpx.TransportError):  # the server may close while the client still writes
        reply = api.post("/v1/embed", content=chunks(), headers=JSON)
        assert (reply.status_code, reply.json()["slug"]) == (413, "body-too-large")
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("line", [b"a:b\r\n", b"x" * 1000])
def test_a_head_without_an_end_is_refused(api: httpx.Client, line: bytes) -> None:
    answer = raw(api, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + line * (200_000 // len(line)))
    assert answer.startswith(b"HTTP/1.1 431"), answer[:80]


def test_an_address_without_measure_is_refused(api: httpx.Client) -> None:
    for path, status in ((b"/v1/subjects/" + b"x" * 5000, b"431"), (b"/healthz?" + b"x" * 5000, b"4")):
        answer = raw(api, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 " + status), answer[:80]
    assert b"head-too-large" not in answer


def test_trailers_are_no_headers_and_have_an_end(api: httpx.Client) -> None:
    head = POST + b"Transfer-Encoding: chunked\r\n\r\n"
    smuggled = raw(api, head + b"2\r\n{}\r\n0\r\nContent-Type: application/json\r\n\r\n")
    assert smuggled.startswith(b"HTTP/1.1 415")
    with contextlib.suppress(ConnectionError):  # closed while we still write
        raw(api, head + b"0\r\n" + b"a: b\r\n" * 100_000)
    assert api.get("/healthz").status_code == 200


EARLY = b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nab"


def test_an_early_answer_cuts_off_a_body_without_an_end(api: httpx.Client) -> None:
    with connected(api) as endless:
        endless.sendall(EARLY)
        assert answered(endless).startswith(b"HTTP/1.1 404")
        assert endless.recv(65536) == b""


def test_who_ends_a_body_soon_after_an_early_answer_keeps_the_connection(api: httpx.Client) -> None:
    assert any(kept_after_an_early_answer(api) for _ in range(5)), "soon is a second, which may pass us by"


def kept_after_an_early_answer(api: httpx.Client) -> bool:
    with connected(api) as patient:
        patient.sendall(EARLY)
        assert answered(patient).startswith(b"HTTP/1.1 404")
        with contextlib.suppress(ConnectionError):
            patient.sendall(b"cd")
            time.sleep(GRACE_SECONDS + 0.3)
            patient.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if block := patient.recv(65536):
                return block.startswith(b"HTTP/1.1 200")
    return False


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize("length", [b"Content-Length: 15", b"Transfer-Encoding: chunked"])
def test_a_body_behind_an_upgrade_is_refused_and_never_taken_for_a_request(
    api: httpx.Client, length: bytes, apart: bool
) -> None:
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n" + length + b"\r\n\r\n"
    smuggled = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with connected(api) as connection:
        connection.sendall(head if apart else head + smuggled)
        answer = connection.recv(65536)
        with contextlib.suppress(OSError):
            if apart:
                connection.sendall(smuggled)
            while block := connection.recv(65536):
                answer += block
    assert answer.startswith(b"HTTP/1.1 400")
    assert b"upgrade-not-supported" in answer
    assert b"alive" not in answer


def test_an_upgrade_without_a_body_goes_on_in_http_1(api: httpx.Client) -> None:
    wish = {"Connection": "Upgrade, HTTP2-Settings", "Upgrade": "h2c", "HTTP2-Settings": "AAMAAABk"}
    assert api.get("/healthz", headers=wish).status_code == 200


def test_an_echo_is_short(api: httpx.Client) -> None:
    reply = api.post("/v1/embed", json={"z" * 100_000: 1})
    assert reply.json()["slug"] == "unknown-field"
    assert len(reply.content) < 1000


@pytest.mark.parametrize(
    "head",
    [
        POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        POST + b"Content-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\x01",
        b"GET / HTTP/9.9\r\n\r\n",
    ],
    ids=["two lengths", "length and chunks", "negative length", "TLS", "HTTP 9.9"],
)
def test_what_is_no_clear_request_is_a_4xx_and_nothing_more(api: httpx.Client, head: bytes) -> None:
    answer = raw(api, head)
    assert not answer or answer.startswith(b"HTTP/1.1 4"), answer[:80]
    assert b"Traceback" not in answer
    assert api.get("/healthz").status_code == 200


def test_a_client_that_sends_slowly_loses_its_place(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    limits = {"GOVID_BODY_SECONDS": "0.3", "GOVID_MAX_WAITING": "3", "GOVID_MAX_BODY_BYTES": str(1 << 25)}
    head = POST + b"Content-Type: application/json\r\nContent-Length: 999\r\n\r\n{"
    with support.server(folder, "--workers", "1", **limits) as (client, _):
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda _: raw(client, head), range(4)))
        assert all(answer.startswith(b"HTTP/1.1 408") for answer in answers)
        # On a busy machine an honest client may be as slow as these.
        replies = (client.post("/v1/embed", files={"photo": OBAMA}) for _ in range(20))
        assert next(reply.status_code for reply in replies if reply.status_code != 408) == 200
