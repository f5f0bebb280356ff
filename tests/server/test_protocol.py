"""The HTTP protocol of the server, with an application of our own behind it."""

from __future__ import annotations

import asyncio
import socket

import pytest
import uvicorn
from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope

from server import protocol
from tests.support import PATIENCE_SECONDS


async def large(_: Scope, __: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """An answer that no buffer of a socket takes."""
    await send({"type": "http.response.start", "status": 200, "headers": [], "trailers": False})
    await send({"type": "http.response.body", "body": bytes(64 << 20), "more_body": False})


@pytest.mark.parametrize("fetches", [False, True])
def test_an_answer_that_nobody_fetches_is_given_up(monkeypatch: pytest.MonkeyPatch, fetches: bool) -> None:
    monkeypatch.setattr(protocol, "UNREAD_SECONDS", 60 if fetches else 0.2)
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(large, http=protocol.BoundedHttpProtocol, lifespan="off", log_config=None)
    )
    connections = server.server_state.connections

    async def asked() -> int:
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        reader, writer = await asyncio.open_connection(*listening.getsockname(), limit=1 << 16)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        came = 0
        async with asyncio.timeout(PATIENCE_SECONDS):
            if fetches:
                while block := await reader.read(1 << 20):
                    came += len(block)
            while not server.started or connections:  # noqa: ASYNC110 - uvicorn has no event for it
                await asyncio.sleep(0.02)
        writer.close()
        server.should_exit = True
        await serving
        return came

    came = asyncio.run(asked())
    assert (came > 64 << 20) == fetches
