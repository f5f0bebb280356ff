"""A real HTTP server that answers as it is told, and remembers what came."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from tests.support import wait_until


class Answer(NamedTuple):
    """``status`` 0: the connection is closed without an answer."""

    status: int
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


class Came(NamedTuple):
    """A request as it arrived."""

    line: str
    headers: dict[str, str]
    body: bytes


def problem(slug: str, status: int, **headers: str) -> Answer:
    """A problem+json."""
    said = {
        "type": f"urn:govid:problem:{slug}",
        "title": "t",
        "status": status,
        "slug": slug,
        "request_id": "r-1",
        "remedy": "mend it",
    }
    named = tuple((name.replace("_", "-"), value) for name, value in headers.items())
    return Answer(status, json.dumps(said).encode(), "application/problem+json", named)


@contextmanager
def scripted(*answers: Answer, tls: ssl.SSLContext | None = None) -> Iterator[tuple[str, list[Came]]]:
    """Serve these answers one after the other, then the last one again; its address and what came."""
    came: list[Came] = []
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            came.append(Came(self.requestline, dict(self.headers), self.rfile.read(length)))
            said = left.pop(0) if len(left) > 1 else left[0]
            self.close_connection = True
            if not said.status:
                return
            self.send_response(said.status)
            for name, value in said.headers:
                self.send_header(name, value)
            self.send_header("Content-Type", said.content_type)
            self.send_header("Content-Length", str(len(said.body)))
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 - as http.server calls them

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # a refused handshake
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", came
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def wait_for(came: list[Came], count: int) -> None:
    """Return once so many requests have come."""
    wait_until(lambda: len(came) >= count)
