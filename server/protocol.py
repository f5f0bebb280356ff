"""HTTP/1.1 by httptools, with a bound on the request head, which uvicorn leaves open."""

from __future__ import annotations

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024
_REFUSAL = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"Content-Type: application/problem+json\r\nConnection: close\r\nContent-Length: 120\r\n\r\n"
)
_PROBLEM = (
    b'{"type":"urn:govid:problem:head-too-large","title":"The request head is too large",'
    b'"status":431,"slug":"head-too-large"}'
)


class BoundedHttpProtocol(HttpToolsProtocol):
    """Closes a connection whose request line and headers do not end within ``MAX_HEAD`` bytes."""

    _head_bytes = 0
    _in_body = False
    _head_ended = False

    def on_headers_complete(self) -> None:
        self._in_body = self._head_ended = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._in_body = False

    def data_received(self, data: bytes) -> None:
        was_in_body = self._in_body
        self._head_ended = False
        super().data_received(data)
        if was_in_body or self._head_ended:
            self._head_bytes = 0
            return
        # All of it belongs to a head that has no end yet.
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD and not self.transport.is_closing():
            self.transport.write(_REFUSAL + _PROBLEM)
            self.transport.close()
