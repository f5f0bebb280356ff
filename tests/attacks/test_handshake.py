from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import uvicorn
import uvloop

from server import handshake
from server.protocol import BoundedHttpProtocol
from server.run import DrainingServer
from tests.server.access import Authority
from tests.support import PATIENCE_SECONDS

GET = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


async def scheme(scope: Any, _: Any, send: Any) -> None:  # noqa: ANN401
    """An application that says how it is asked."""
    headers = [(b"content-length", str(len(scope["scheme"])).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


async def until(holds: Callable[[], object]) -> None:
    """Return once it holds."""
    while not holds():  # noqa: ASYNC110 - uvicorn tells nobody
        await asyncio.sleep(0.01)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, authority: Authority) -> Callable[..., None]:
    """Runs a test on each event loop beside a server with TLS: what it is told is the server's port."""
    certificate, key, _ = authority.issue("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    async def beside(test: Callable[[int, uvicorn.Server], Awaitable[None]]) -> None:
        listening = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(scheme, http=BoundedHttpProtocol, lifespan="off", log_config=None, ws="none")
        service: Any = SimpleNamespace(draining=False)
        server = DrainingServer(service, 0, config, context)
        serving = asyncio.create_task(server.serve(sockets=[listening]))
        await until(lambda: server.started)
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await test(listening.getsockname()[1], server)
        finally:
            server.should_exit = True
            async with asyncio.timeout(PATIENCE_SECONDS):
                await serving

    def run(test: Callable[[int, uvicorn.Server], Awaitable[None]]) -> None:
        factory = uvloop.new_event_loop if request.param == "uvloop" else asyncio.new_event_loop
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(beside(test))

    return run


def test_a_connection_speaks_http_behind_its_handshake(
    served: Callable[..., None], authority: Authority
) -> None:
    trusting = ssl.create_default_context(cafile=str(authority.file))

    async def test(port: int, server: uvicorn.Server) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(GET)
        assert (await reader.read()).endswith(b"\r\n\r\nhttps")
        writer.close()
        # In one packet with the end of the handshake.
        came, goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = trusting.wrap_bio(came, goes, server_hostname="localhost")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(goes.read())
                came.write(await reader.read(65536))
        tls.write(GET)
        writer.write(goes.read())
        answer = b""
        while not answer.endswith(b"https"):
            try:
                answer += tls.read(65536)
            except ssl.SSLWantReadError:
                data = await reader.read(65536)
                assert data, answer
                came.write(data)
        writer.close()
        await until(lambda: not server.server_state.connections)

    served(test)


def test_connections_without_a_word_are_counted_and_end(
    served: Callable[..., None], authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(handshake, "MAX_TOLD", 2)
    monkeypatch.setattr(handshake, "HEAD_SECONDS", 1)
    trusting = ssl.create_default_context(cafile=str(authority.file))

    async def test(port: int, server: uvicorn.Server) -> None:
        silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(8)]
        # Those that are too many at once, the others when they have had their time.
        ended = [asyncio.create_task(reader.read()) for reader, _ in silent]
        await asyncio.wait(ended[5:])
        assert len(server.server_state.connections) <= 5
        await asyncio.wait(ended)
        for one in ended:
            assert one.exception() is None or isinstance(one.exception(), ConnectionError)
        assert not server.server_state.connections
        for _, writer in silent:
            writer.close()
        for word in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x00\xa5\x01", b"\0" * 100):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(word)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in await reader.read()
            writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=trusting)
        writer.write(GET)
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()

    served(test)


def test_a_stop_waits_for_no_handshake(served: Callable[..., None]) -> None:
    with contextlib.ExitStack() as open_all_the_while:

        async def test(port: int, _: uvicorn.Server) -> None:
            for _ in range(3):
                open_all_the_while.enter_context(socket.create_connection(("127.0.0.1", port)))
                await asyncio.sleep(0.01)

        served(test)
