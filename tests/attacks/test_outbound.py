"""What govid itself calls: only what its operator named, and not what that answers."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pytest

from govid.errors import InvalidSettings
from govid.store.notifications import Outbox, enqueue
from govid.store.sqlite import SqliteStore
from server.access.settings import AccessSettings
from server.settings import ServerSettings
from server.webhook import Webhook

IN_THE_CLEAR = [
    "http://evil.example/",
    "http://127.0.0.1@evil.example/",
    "http://127.0.0.1:80@evil.example/",
    "http://localhost:x@evil.example/",
    "http://localhost.evil.example/",
    "http://127.0.0.1.evil.example/",
    "http://169.254.169.254/latest/meta-data",
    "HTTP://evil.example/",
    "http://[::1]@evil.example/",
    "ftp://127.0.0.1/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/",
    "https://",
    "//evil.example/",
    "https://hook.example/\r\nX: y",
    "https://user:secret@hook.example/",
]


@pytest.mark.parametrize("address", IN_THE_CLEAR)
def test_an_announcement_never_leaves_the_machine_in_the_clear(address: str) -> None:
    with pytest.raises((InvalidSettings, msgspec.ValidationError)):
        msgspec.convert({"webhook_url": address, "webhook_secret_file": "/secret"}, ServerSettings).check()


@pytest.mark.parametrize("address", IN_THE_CLEAR)
def test_keys_of_an_issuer_never_come_in_the_clear(address: str) -> None:
    with pytest.raises(InvalidSettings):
        AccessSettings(jwks=address, jwt_issuer="i", jwt_audience="a").check()


@pytest.fixture
def redirecting() -> Iterator[tuple[str, list[str]]]:
    """A server that sends everybody to another address of its own; the paths it was asked for."""
    asked: list[str] = []

    class Redirecting(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("Location", "/latest/meta-data")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/hook", asked
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_receiver_cannot_send_an_announcement_elsewhere(
    redirecting: tuple[str, list[str]], tmp_path: Path
) -> None:
    address, asked = redirecting
    store = SqliteStore(tmp_path / "govid.sqlite3")
    with store.database.writing() as connection:
        enqueue(connection, "complaint.opened", {"complaint_id": 1})
    (tmp_path / "secret").write_text("secret of 16 bytes")
    hook = Webhook(address, tmp_path / "secret")
    assert hook.deliver_due(Outbox(store.database)) == 0
    hook.close()
    store.close()
    assert asked == ["/hook"]
