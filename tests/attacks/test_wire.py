"""Requests that two readers could understand differently, and protocols that this is not."""

from __future__ import annotations

import gzip

import httpx
import pytest

from tests.attacks.wire import connected, raw
from tests.support import OBAMA, b64

POST = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
GET = b"GET /v1/models HTTP/1.1\r\nHost: localhost\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
HIDDEN = b"GET /v1/subjects HTTP/1.1\r\nHost: localhost\r\n\r\n"

FRAMING = {
    "CL.TE": POST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
    "TE.CL": POST + CHUNKED + b"Content-Length: 3\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "two equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}" + HIDDEN,
    "a length with a sign": POST + b"Content-Length: +2\r\n\r\n{}" + HIDDEN,
    "a hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}" + HIDDEN,
    "a length beyond 64 bits": POST + b"Content-Length: 18446744073709551618\r\n\r\n{}" + HIDDEN,
    "a folded header": POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a length folded into another header": POST + b"X: y\r\n Content-Length: 2\r\n\r\n{}" + HIDDEN,
    "space before the colon": POST + b"Content-Length : 2\r\n\r\n{}" + HIDDEN,
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "chunked twice": POST + CHUNKED + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a coding in disguise": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "identity beside a length": POST + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\n{}" + HIDDEN,
    "chunks of HTTP/1.0": POST.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "chunks by line feeds alone": POST + CHUNKED + b"\r\n2\n{}\n0\n\n" + HIDDEN,
    "a chunk extension that ends early": POST + CHUNKED + b"\r\n2;\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a negative chunk": POST + CHUNKED + b"\r\n-2\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "a chunk beyond 64 bits": POST + CHUNKED + b"\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n" + HIDDEN,
    "lines by line feeds alone": GET.replace(b"\r\n", b"\n") + b"\n",
    "a carriage return inside": GET + b"X: a\rContent-Length: 5\r\n\r\n",
    "NUL in a header": GET + b"X: a\0b\r\n\r\n",
    "a header without a name": GET + b": b\r\n\r\n",
    "no Host": b"GET /v1/models HTTP/1.1\r\nAccept: */*\r\n\r\n",
    "two Hosts": GET + b"Host: evil.example\r\n\r\n",
    "NUL in the address": b"GET /v1/subjects/a\0b HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "no ASCII in the address": b"GET /v1/subjects/\xff HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", FRAMING)
def test_a_request_that_two_readers_understand_differently_is_refused(api: httpx.Client, name: str) -> None:
    answer = raw(api, FRAMING[name])
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:80]
    assert b'"slug":"malformed-request"' in answer
    assert answer.count(b"\r\nContent-Length: ") == 1  # no second answer, to what was hidden
    assert api.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", [b"a b", b"a/b", b"a?b", b"\xff", b"a\\b"])
@pytest.mark.parametrize("path", [b"/healthz", b"/v1/models", b"/console", b"/nowhere"])
def test_a_host_that_is_no_name_is_refused(api: httpx.Client, host: bytes, path: bytes) -> None:
    answer = raw(api, b"GET " + path + b" HTTP/1.1\r\nHost: " + host + b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:80]
    assert b"malformed-request" in answer
    for header in (b"x-request-id", b"x-content-type-options", b"content-security-policy"):
        assert header in answer


PROTOCOLS = {
    "HTTP/0.9": b"GET /v1/models\r\n\r\n",
    "HTTP/2 by its preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n",
    "a method that is none": b"BREW /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a method in lower case": b"get /v1/models HTTP/1.1\r\nHost: localhost\r\n\r\n",
}


@pytest.mark.parametrize("name", PROTOCOLS)
def test_another_protocol_is_not_spoken(api: httpx.Client, name: str) -> None:
    answer = raw(api, PROTOCOLS[name])
    assert answer.startswith(b"HTTP/1.1 400 "), answer[:80]
    assert b'"slug":"malformed-request"' in answer


@pytest.mark.parametrize("protocol", ["websocket", "h2c"])
def test_an_upgrade_is_ignored_and_what_follows_is_read_by_nobody(api: httpx.Client, protocol: str) -> None:
    upgrade = (
        f"Connection: Upgrade\r\nUpgrade: {protocol}\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    answer = raw(api, GET + upgrade.encode() + HIDDEN)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in answer.lower()
    assert b"101" not in answer[:20]
    assert b'"subjects"' not in answer


def test_an_endless_chunk_extension_is_cut_off(api: httpx.Client) -> None:
    with connected(api) as connection:
        try:
            connection.sendall(POST + CHUNKED + b"\r\n2;" + b"a" * 1_000_000)
            answer = connection.recv(65536)
        except ConnectionError:
            answer = b""
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    assert api.get("/healthz").status_code == 200


def test_trace_gives_nothing_back(api: httpx.Client) -> None:
    answer = raw(
        api, b"TRACE /v1/models HTTP/1.1\r\nHost: localhost\r\nX-Secret: s3cret\r\nConnection: close\r\n\r\n"
    )
    assert answer.startswith(b"HTTP/1.1 405 ")
    assert b"s3cret" not in answer


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-Method-Override", "X-HTTP-Method"])
def test_a_method_is_not_overridden(api: httpx.Client, header: str) -> None:
    api.post("/v1/subjects", json={"subject_id": f"kept-{header}", "photo": b64(OBAMA)})
    address = f"/v1/subjects/kept-{header}"
    for reply in (
        api.get(address, headers={header: "DELETE"}),
        api.get(address, params={"_method": "DELETE"}),
        api.post(address, headers={header: "DELETE"}),
        api.get(address),
    ):
        assert reply.status_code in {200, 400, 405}
    assert api.get(address).status_code == 200


def test_a_part_of_an_answer_cannot_be_asked_for(api: httpx.Client) -> None:
    whole = api.get("/v1/models")
    for ranges in ("bytes=0-3", "bytes=0-0,0-0,0-0", "bytes=-1", "bytes=99999999999-"):
        reply = api.get("/v1/models", headers={"Range": ranges, "If-Range": "x"})
        assert (reply.status_code, reply.content) == (200, whole.content)


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"])
def test_a_compressed_body_is_not_unpacked(api: httpx.Client, coding: str) -> None:
    for body in (gzip.compress(b"0" * 10_000_000), b'{"photo": "YWJj"}'):
        reply = api.post(
            "/v1/embed",
            content=body,
            headers={"Content-Type": "application/json", "Content-Encoding": coding},
        )
        assert (reply.status_code, reply.json()["slug"]) == (415, "unsupported-content-type")


ADDRESSES = [
    "//v1/models",
    "/v1//models",
    "/v1%2fmodels",
    "/v1%2Fmodels",
    "/healthz/../v1/models",
    "/healthz%2f..%2fv1/models",
    "/v1/models;a=b",
    "/V1/MODELS",
    "/v1/models%00",
    "/v1/models%20",
    "/v1/models.json",
    "/v1/subjects/%ff",
    "/v1/subjects/%c0%af",
    "/v1/subjects/%252e%252e%252fetc",
]


@pytest.mark.parametrize("path", ADDRESSES)
def test_an_address_has_one_spelling(api: httpx.Client, path: str) -> None:
    """A proxy that lets some addresses through must have judged the one that is routed here."""
    answer = raw(api, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith((b"HTTP/1.1 404 ", b"HTTP/1.1 422 ")), answer[:80]


def test_an_answer_cannot_be_split(api: httpx.Client) -> None:
    """By what a header of it, or a page about it, could repeat."""
    ends = "Host: localhost\r\nConnection: close\r\n"
    split = "x%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0aHTTP/1.1%20200%20OK"
    for head in (
        f"GET /v1/subjects/{split} HTTP/1.1\r\n{ends}\r\n",
        f"GET /{split} HTTP/1.1\r\n{ends}\r\n",
        f"DELETE /v1/subjects/x HTTP/1.1\r\n{ends}Idempotency-Key: {split}\r\n\r\n",
        f"GET /v1/subjects?after={split} HTTP/1.1\r\n{ends}\r\n",
    ):
        answer = raw(api, head.encode())
        assert b"set-cookie" not in answer.partition(b"\r\n\r\n")[0].lower()
        assert answer.count(b"\r\n\r\n") == 1
