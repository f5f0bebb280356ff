"""Requests as no client library would send them, and a client of a server that runs elsewhere."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
import time
from collections.abc import Generator

import httpx

answers: list[str] = []
"""The last of them is what ``make attack`` shows."""
QUIET_SECONDS = 1
_SLUG = re.compile(rb'"slug":"([a-z-]+)"')
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)


def raw(api: httpx.Client, request: bytes) -> bytes:
    """What the server answers to exactly these bytes, until it closes, or is quiet behind a whole answer.

    The client's own credential, if it has one, goes in front of the first header.
    """
    if credential := api.headers.get("authorization"):
        request = request.replace(b"\r\n", b"\r\nAuthorization: " + credential.encode() + b"\r\n", 1)
    with connected(api) as connection:
        connection.sendall(request)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionResetError):
            while block := connection.recv(65536):
                answer += block
                if _whole(answer):
                    connection.settimeout(QUIET_SECONDS)
    if answer.startswith(b"HTTP/1.1 "):
        answered(int(answer[9:12]), answer)
    else:
        answers.append("closed")
    return answer


def _whole(answer: bytes) -> bool:
    head, end, body = answer.partition(b"\r\n\r\n")
    length = _LENGTH.search(head)
    return bool(end) and (length is None or len(body) >= int(length[1]))


def answered(status: int, content: bytes) -> None:
    """Remember an answer by its status and slug."""
    slug = _SLUG.search(content[:20_000])
    answers.append(f"{status} {slug[1].decode()}" if slug else str(status))


def connected(api: httpx.Client) -> socket.socket:
    """A connection to the server of this client, with TLS where the client has it; patient with it."""
    secure = api.base_url.scheme == "https"
    address = (api.base_url.host, api.base_url.port or (443 if secure else 80))
    connection = socket.create_connection(address, timeout=30)
    if secure:
        return ssl.create_default_context().wrap_socket(connection, server_hostname=address[0])
    return connection


def client_of(host: str, key: str) -> httpx.Client:
    """A client of a server that runs elsewhere; it waits where the server says so."""
    client = httpx.Client(base_url=host, timeout=30, trust_env=False, auth=_Patient())
    if key:
        client.headers["Authorization"] = f"Bearer {key}"
    return client


class _Patient(httpx.Auth):
    """Asks again after 429 of its own quota."""

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        reply = yield request
        while reply.status_code == 429 and b"rate-limited" in reply.read():
            time.sleep(int(reply.headers["retry-after"]))
            reply = yield request
