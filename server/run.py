"""``govid serve``: one process, stopped cleanly by a signal, and with a reason when it cannot start."""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import threading
import warnings
from functools import partial
from types import FrameType
from typing import Any

import uvicorn

from govid.config import Settings
from govid.errors import InvalidSettings
from server import files, logs, tls
from server.access import startup
from server.access.settings import AccessSettings
from server.app import create_app
from server.handshake import TlsServer
from server.memory import give_back
from server.metrics import Metrics
from server.protocol import BoundedHttpProtocol
from server.service import DRAIN_SECONDS, Service
from server.settings import ServerSettings


class DrainingServer(uvicorn.Server):
    """Goes on for a while when it is told to stop, and says at /readyz that it will."""

    def __init__(
        self,
        service: Service,
        drain_seconds: float,
        config: uvicorn.Config,
        secured: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(config)
        self._service = service
        self._drain_seconds = drain_seconds
        self._secured = secured

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start to listen; what speaks TLS, with bounds that uvicorn leaves open."""
        if self._secured is None or sockets is None:
            await super().startup(sockets)
            return
        await super().startup([])
        speaking: Any = self.config.http_protocol_class
        protocol = partial(
            speaking, config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )
        self.servers += [
            TlsServer(one, self._secured, protocol, self.server_state.connections)  # type: ignore[misc]
            for one in sockets
        ]

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called with each signal. The second one does not wait."""
        if self._service.draining or not self._drain_seconds:
            super().handle_exit(sig, frame)
            return
        self._service.draining = True
        timer = threading.Timer(self._drain_seconds, super().handle_exit, (sig, None))
        timer.daemon = True
        timer.start()


def run(settings: Settings, server: ServerSettings, access: AccessSettings, *, as_json: bool = False) -> None:
    """Serve until a signal comes.

    Raises:
        InvalidSettings: the address cannot be used, or would be open to others; or the process may not open
            enough files.
        OperatorError: the engine could not be loaded.
    """
    startup.check(settings, server, access)
    secured = tls.context(server)
    files.provide(server.worker_count)
    logs.configure(server.log_level, server.log_format, each_request=server.log_requests)
    give_back()
    stopped: list[int] = []
    # uvicorn takes over once it runs, drains, and raises the signal again: a stop that was asked for is
    # a success. A signal before that must not be lost either.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _: stopped.append(number))
    # Pillow's remarks on odd files say nothing an operator could act on.
    warnings.filterwarnings("ignore", module="PIL")
    listening = _listen(server)
    metrics = Metrics()
    service = Service(settings, server, metrics, access)
    app = create_app(settings, server, service, metrics, access)
    host, port = listening.getsockname()[:2]
    address = f"http{'s' if secured else ''}://{f'[{host}]' if ':' in host else host}:{port}"
    # One line, flushed, as soon as connections are accepted: with port 0 it is how a caller learns the port.
    print(json.dumps({"address": address}) if as_json else f"govid listens on {address}", flush=True)
    uvicorn_server = DrainingServer(
        service,
        server.drain_seconds,
        uvicorn.Config(
            app,
            log_level=server.log_level if server.log_level != "info" else "warning",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=True,
            timeout_graceful_shutdown=DRAIN_SECONDS,
            http=BoundedHttpProtocol,
            backlog=files.BACKLOG,
            # Whatever library happens to be installed: nothing here speaks it.
            ws="none",
            # A forwarded address would decide whose Client-Cert header is believed.
            proxy_headers=False,
            lifespan="on",
        ),
        secured,
    )

    def give_up() -> None:
        uvicorn_server.should_exit = True

    service.on_failure = give_up
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: give_up())
    if not stopped:
        uvicorn_server.run(sockets=[listening])
    if service.stuck or uvicorn_server.force_exit:
        # A worker that never ends would keep the interpreter waiting for it. While it loads, a stop takes
        # nothing from anybody: it is the success that was asked for, however slow the machine.
        os._exit(0 if service.stopped_loading else 1)
    if service.failure:
        raise service.failure


def _listen(server: ServerSettings) -> socket.socket:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            server.host, server.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind, protocol)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(files.BACKLOG)
        listening.set_inheritable(True)
    except OSError as error:
        raise InvalidSettings(
            f"cannot listen on {server.host} port {server.port}: {error.strerror or error}; "
            "stop what listens there or choose another port with --port"
        ) from None
    return listening
