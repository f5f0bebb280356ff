"""Connections that are to speak TLS, from when they are accepted: as bounded as those that do."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sized

from server.protocol import HEAD_SECONDS, MAX_CONNECTIONS, MAX_TOLD

# Without a free file none can be accepted; asyncio waits as long.
_PAUSE_SECONDS = 1


class TlsServer:
    """Accepts connections, shakes hands, and leaves them to a protocol then.

    With ``loop.create_server`` a handshake may take a minute and nobody counts it: connections that never say
    a word would take all files of the process.
    """

    def __init__(
        self,
        listening: socket.socket,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.BaseProtocol],
        speaking: Sized,
    ) -> None:
        """Begin at once, on the running loop.

        Args:
            listening: a socket that listens; closed by whoever made it.
            context: TLS of the server's side.
            protocol: makes what a connection speaks behind its handshake.
            speaking: the connections that do.
        """
        listening.setblocking(False)
        self._listening = listening
        self._context = context
        self._protocol = protocol
        self._speaking = speaking
        self._shaking: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, _ = await loop.sock_accept(self._listening)
            except ConnectionError:
                continue
            except OSError:
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            # Nobody can be told that there are too many: that would take a handshake, too.
            if len(self._speaking) + len(self._shaking) >= MAX_CONNECTIONS + MAX_TOLD:
                connection.close()
            else:
                task = loop.create_task(self._shake(connection))
                self._shaking.add(task)
                task.add_done_callback(self._shaking.discard)
            await asyncio.sleep(0)  # a loop that has the next one at hand would never do anything else

    async def _shake(self, connection: socket.socket) -> None:
        # ssl.SSLError and the timeout are OSErrors: what is no TLS ends without a word.
        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=self._context, ssl_handshake_timeout=HEAD_SECONDS
            )

    def close(self) -> None:
        """Accept nothing more, and end what has not shaken hands; as of ``asyncio.Server``."""
        for task in (self._accepting, *self._shaking):
            task.cancel()

    async def wait_closed(self) -> None:
        """Return once nothing of it runs."""
        await asyncio.wait((self._accepting, *self._shaking))
