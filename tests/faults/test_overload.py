"""More requests than the server can take: a clear no for the surplus, right answers for the rest."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx

from server.protocol import MAX_CONNECTIONS
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


def test_one_connection_too_many_is_told_so(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _), ExitStack() as held:
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
        assert client.get("/healthz").status_code == 200, "who was there before is served"
        held.close()

        def served() -> bool:
            with httpx.Client(base_url=client.base_url, timeout=30, trust_env=False) as another:
                return another.get("/healthz").status_code == 200

        wait_until(served)
