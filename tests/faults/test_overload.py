"""More requests than the server can take: a clear no for the surplus, right answers for the rest."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import PIL.Image
import pytest

from server.protocol import MAX_CONNECTIONS, MAX_TOLD
from tests import support
from tests.support import OBAMA, OBAMA_LATER, wait_until


def test_a_full_queue_says_503_and_the_server_goes_on(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder, "--workers", "1", GOVID_MAX_WAITING="2") as (client, _):
        files = {"reference_photo": OBAMA, "probe_photo": OBAMA_LATER}
        with ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(lambda _: client.post("/v1/compare", files=files), range(32)))
        answered = [reply for reply in replies if reply.status_code == 200]
        turned_away = [reply for reply in replies if reply.status_code == 503]
        assert len(answered) + len(turned_away) == 32
        assert answered
        assert turned_away
        assert {reply.json()["decision"] for reply in answered} == {"MATCH"}
        assert {reply.json()["slug"] for reply in turned_away} == {"overloaded"}
        assert all(int(reply.headers["retry-after"]) >= 1 for reply in turned_away)
        assert client.post("/v1/compare", files=files).status_code == 200
        assert client.get("/healthz").status_code == 200


# Of a server that is ready. A photo of 12 megapixels takes 35 MiB and its views about as much; each one that
# was refused used to stay for a while, and each worker to unpack one.
MOST_GROWTH = 200 << 20


def test_a_flood_of_large_photos_without_a_face_does_not_fill_the_memory(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    photos = [
        support.encoded(PIL.Image.new("L", (4000, height), 128), "JPEG")
        for height in (3000, 2990, 2700, 2300)
    ]
    files = {"reference_photo": OBAMA, "probe_photo": OBAMA_LATER}
    with support.server(folder, "--workers", "2") as (client, process):
        assert client.post("/v1/compare", files=files).json()["decision"] == "MATCH"
        before = _resident(process.pid, "VmRSS")
        with ThreadPoolExecutor(6) as pool:
            hostile = [pool.submit(_embed, client, photos[n % len(photos)]) for n in range(12)]
            others = [pool.submit(client.post, "/v1/compare", files=files) for _ in range(3)]
            assert {reply.result().json()["slug"] for reply in hostile} == {"face-not-detected"}
            assert {reply.result().json()["decision"] for reply in others} == {"MATCH"}
        assert _resident(process.pid, "VmHWM") - before < MOST_GROWTH


def _embed(client: httpx.Client, photo: bytes) -> httpx.Response:
    return client.post("/v1/embed", content=photo, headers={"Content-Type": "application/octet-stream"})


def _resident(pid: int, name: str) -> int:
    """Bytes: ``VmRSS`` now, or ``VmHWM``, the most there ever were."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return int(status[name].split()[0]) << 10


def test_bodies_that_wait_take_no_more_memory_than_is_set(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    head = b"POST /v1/embed HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/octet-stream\r\n"
    with support.server(folder, GOVID_MAX_BODY_BYTES=str(1 << 25)) as (client, _), ExitStack() as held:
        senders = []
        for _ in range(4):  # of 9 MiB each, whose ends never come
            sender = held.enter_context(
                socket.create_connection((client.base_url.host, client.base_url.port))
            )
            sender.settimeout(support.PATIENCE_SECONDS)
            with suppress(ConnectionError):
                sender.sendall(head + b"Content-Length: 10000000\r\n\r\n" + bytes(9 << 20))
            senders.append(sender)
        # All four are more than the bound: one was told so, and those that fit are still being waited for.
        reply = senders[-1].recv(4096)
        assert reply.startswith(b"HTTP/1.1 503")
        assert b"retry-after" in reply.lower()
        assert client.get("/healthz").status_code == 200


@pytest.fixture
def may_open() -> Iterator[Callable[[int], None]]:
    """Sets how many files this process, and what it starts, may open (the soft limit)."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield lambda files: resource.setrlimit(resource.RLIMIT_NOFILE, (files, hard))
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_one_connection_too_many_is_told_so_whatever_the_shell_lets_it_open(
    tmp_path: Path, may_open: Callable[[int], None]
) -> None:
    folder = support.data_dir(tmp_path / "var")
    may_open(512)
    with support.server(folder) as (client, _), ExitStack() as held:
        may_open(2 * MAX_CONNECTIONS)
        address = (client.base_url.host, client.base_url.port)
        for number in range(MAX_CONNECTIONS):
            held.enter_context(socket.create_connection(address))
            if number % 64 == 0:
                client.get("/healthz")  # its own connection must not end for want of use
        with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as another:
            reply = another.get("/healthz")
        assert (reply.status_code, reply.json()["slug"]) == (503, "overloaded")
        assert reply.headers["content-type"] == "application/problem+json"
        assert int(reply.headers["retry-after"]) >= 1
        for _ in range(MAX_TOLD):
            held.enter_context(socket.create_connection(address, timeout=support.PATIENCE_SECONDS))
        assert _answer(held.enter_context(socket.create_connection(address))) == b"", "no file is left for it"
        assert client.get("/healthz").status_code == 200, "who was there before is served"
        held.close()

        def served() -> bool:
            with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as another:
                return another.get("/healthz").status_code == 200

        wait_until(served)


def _answer(connection: socket.socket) -> bytes:
    connection.settimeout(support.PATIENCE_SECONDS)
    try:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        return connection.recv(1024)
    except OSError:  # reset, or a broken pipe
        return b""


def test_a_server_that_may_not_open_enough_files_says_so_and_does_not_start(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    limited = ["sh", "-c", 'ulimit -n 1024; exec "$0" "$@"', support.GOVID]
    started = subprocess.run(
        [*limited, "--data-dir", str(folder), "serve", "--port", "0", "--json"],
        capture_output=True,
        text=True,
        check=False,
        timeout=support.PATIENCE_SECONDS,
    )
    said = json.loads(started.stdout)
    assert (started.returncode, said["slug"]) == (1, "invalid-settings")
    assert "at most 1024: raise the hard limit (`ulimit -Hn`, LimitNOFILE=" in said["detail"]
