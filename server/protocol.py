"""HTTP/1.1 by httptools, with the bounds uvicorn leaves open or answers in plain text."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from govid.wire import Problem
from server.errors import HeadTooLarge, Overloaded, UpgradeNotSupported, problem

MAX_CONNECTIONS = 1024
MAX_HEAD = 64 * 1024
HEAD_SECONDS = 10
GRACE_SECONDS = 1
_BODY = frozenset({b"content-length", b"transfer-encoding"})
# Before there is a request that could have an id or a language.
_PROBLEM = msgspec.json.encode(problem(HeadTooLarge()))
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: application/problem+json\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(_PROBLEM)
)


def _refusing(said: Problem) -> Callable[[Scope, ASGIReceiveCallable, ASGISendCallable], Awaitable[None]]:
    """An application that answers everything with this problem and ends the connection."""
    body = msgspec.json.encode(said)
    headers = [
        (b"content-type", b"application/problem+json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    if said.status == 503:
        headers.append((b"retry-after", b"1"))

    async def refuse(_: Scope, __: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        await send(
            {"type": "http.response.start", "status": said.status, "headers": headers, "trailers": False}
        )
        await send({"type": "http.response.body", "body": body, "more_body": False})

    return refuse


too_many_connections = _refusing(problem(Overloaded(1)))
upgrade_not_supported = _refusing(problem(UpgradeNotSupported()))


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request head does not end within ``MAX_HEAD`` bytes and ``HEAD_SECONDS``."""

    _head_bytes = 0
    _in_body = False
    _moved = False
    _client_certificate: bytes | None = None
    _deadline: asyncio.TimerHandle | None = None
    _grace: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > MAX_CONNECTIONS:
            self.app = too_many_connections
        if (tls := transport.get_extra_info("ssl_object")) is not None:
            self._client_certificate = tls.getpeercert(binary_form=True)
        self._start_deadline()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_deadline()
        self._stop_grace()
        super().connection_lost(exc)

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
        # The parser stops behind the head of a request that would speak another protocol, as Java's client
        # does in the clear: without this its body would seem to be empty.
        if self.parser.should_upgrade() and _BODY & {name for name, _ in self.headers}:
            self.app = upgrade_not_supported
        super().on_headers_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Not into the log: any client could fill it."""

    def on_body(self, body: bytes) -> None:
        self._moved = True
        super().on_body(body)

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._moved, self._in_body = True, False
        self._stop_grace()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_body:
            # Answered early: what is still to come of the body is of no use to anybody. A client that soon
            # ends it, as one does that was told 503 meanwhile, keeps its connection.
            self._grace = self.loop.call_later(GRACE_SECONDS, self.transport.close)

    def data_received(self, data: bytes) -> None:
        if self.app is upgrade_not_supported:
            return  # nobody reads on; the answer is on its way
        if not self._in_body and self._deadline is None:
            self._start_deadline()
        self._moved = False
        super().data_received(data)
        # Without a step forward all of it belongs to a head, or to trailers, that have no end yet.
        self._head_bytes = 0 if self._moved else self._head_bytes + len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            if not self._in_body:
                self.transport.write(_REFUSAL + _PROBLEM)
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
