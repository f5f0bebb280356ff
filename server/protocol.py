"""HTTP/1.1 by httptools, with the bounds uvicorn leaves open or answers in plain text."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Any

import msgspec
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from govid.errors import GovidError
from server.errors import HeadTooLarge, MalformedRequest, Overloaded, UpgradeNotSupported, problem

MAX_CONNECTIONS = 1024
MAX_TOLD = 256
"""Connections beyond that are told so once they ask. More are closed at once: each takes a file."""
MAX_HEAD = 64 * 1024
MAX_COOKIES = 8 * 1024
"""Bytes of cookies: the console's own are three short ones, and a browser sends those of the whole host."""
MAX_PATH = 4 * 1024
"""Bytes of an address before its query. Litestar's router remembers a thousand of them, whoever sent them."""
HEAD_SECONDS = 10
GRACE_SECONDS = 1
UNREAD_SECONDS = 60
"""An answer that is not fetched in this time holds memory for nobody; the largest are about a megabyte."""


def _closing(error: GovidError) -> bytes:
    """A whole answer that ends the connection: here is no request that could have an id or a language."""
    said = problem(error)
    body = msgspec.json.encode(said)
    head = (
        f"HTTP/1.1 {said.status} {HTTPStatus(said.status).phrase}\r\nConnection: close\r\n"
        f"Content-Type: application/problem+json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_HEAD_TOO_LARGE = _closing(HeadTooLarge())
_MALFORMED = _closing(MalformedRequest())
_UPGRADE = _closing(UpgradeNotSupported())
_TOO_MANY = msgspec.json.encode(problem(Overloaded(1)))

# uvicorn has a line of its own for each request that it cannot read: a flood must not write the disk full.
_quiet = logging.getLogger("govid.http")
_quiet.setLevel(logging.ERROR)


async def too_many_connections(_: Scope, __: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """The ASGI application of a connection beyond ``MAX_CONNECTIONS``."""
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(_TOO_MANY)).encode()),
        (b"connection", b"close"),
        (b"retry-after", b"1"),
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": _TOO_MANY, "more_body": False})


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not end within ``MAX_HEAD`` bytes and ``HEAD_SECONDS``."""

    _head_bytes = 0
    _in_body = False
    _moved = False
    _answer = _MALFORMED
    _client_certificate: bytes | None = None
    _deadline: asyncio.TimerHandle | None = None
    _grace: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*args, **kwargs)
        self.logger = _quiet

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS + MAX_TOLD:
            transport.abort()
        elif len(self.connections) > MAX_CONNECTIONS:
            self.app = too_many_connections
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self._client_certificate = tls.getpeercert(binary_form=True)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        self._stop_grace()
        self._stop_unread()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not fetch its answer as fast as it is written, or at all."""
        super().pause_writing()
        self._unread = self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It has fetched most of it."""
        self._stop_unread()
        super().resume_writing()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # uvicorn has no place for it.
        if self._client_certificate is not None:
            self.scope["state"]["client_certificate"] = self._client_certificate

    def on_header(self, name: bytes, value: bytes) -> None:
        # What follows a chunked body are trailers: taken for headers they would slip past a proxy.
        if not self._in_body:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._moved = self._in_body = True
        self._stop_deadline()
        if (refusal := self._refusal()) is not None:
            self._answer = refusal
            raise ValueError  # the parser stops, and ``send_400_response`` answers
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # Not done, as HTTP allows; whatever follows is read by nobody.
            self.cycle.keep_alive = False

    def _refusal(self) -> bytes | None:
        """The answer to an endless address or cookie, or what a proxy may have seen differently (RFC 9112).

        The parser is more lenient, and stops behind the head of a request that would speak another protocol,
        as Java's client does in the clear: without this its body would seem to be empty, or be a request.
        """
        version, hosts, codings, has_body = self.parser.get_http_version(), 0, [], False
        cookies = 0
        for name, value in self.headers:
            if name == b"host":
                hosts += 1
            elif name == b"transfer-encoding":
                codings.append(value.strip().lower())
            elif name == b"content-length":
                has_body = value != b"0"
            elif name == b"cookie":
                cookies += len(value)
        if len(self.url.split(b"?", 1)[0]) > MAX_PATH or cookies > MAX_COOKIES:
            return _HEAD_TOO_LARGE
        if version not in {"1.0", "1.1"} or hosts > 1 or (not hosts and version == "1.1"):
            return _MALFORMED
        if codings and (version == "1.0" or codings != [b"chunked"]):
            return _MALFORMED
        return _UPGRADE if self.parser.should_upgrade() and (has_body or codings) else None

    def _unsupported_upgrade_warning(self) -> None:
        """Not into the log: any client could fill it."""

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._moved, self._in_body = True, False
        self._stop_grace()

    def shutdown(self) -> None:
        """The server ends. A caller that keeps an idle connection in a pool reads nothing from it, and would
        let the farewell of TLS wait for as long as the requests that are still computed."""
        super().shutdown()
        if self.transport.is_closing():
            self.loop.call_later(GRACE_SECONDS, self._abort_if_written)

    def _abort_if_written(self) -> None:
        if not self.transport.get_write_buffer_size():
            self.transport.abort()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:
            # Answered early: what is still to come of the body is of no use to anybody. A client that soon
            # ends it, as one does that was told 503 meanwhile, keeps its connection.
            self._grace = self.loop.call_later(GRACE_SECONDS, self.transport.close)

    def data_received(self, data: bytes) -> None:
        if not self._in_body and self._deadline is None:
            self._start_deadline()
        self._moved = False
        super().data_received(data)
        # Without a step forward all of it belongs to a head, or to trailers, that have no end yet.
        self._head_bytes = 0 if self._moved else self._head_bytes + len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            if not self._in_body:
                self.transport.write(_HEAD_TOO_LARGE)
            self.transport.close()

    def send_400_response(self, msg: str) -> None:
        """uvicorn's answer to what it cannot parse; in its place a problem like all others."""
        del msg
        self.transport.write(self._answer)
        self.transport.close()

    def _start_deadline(self) -> None:
        self._deadline = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _stop_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def _stop_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
