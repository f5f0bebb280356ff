"""More requests than the server can take: a clear no for the surplus, right answers for the rest."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
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
