"""The Litestar application: what is wired to what."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from litestar import Litestar
from litestar.di import Provide
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, License
from litestar.types import ASGIApp, Receive, Scope, Send

from govid import __version__
from govid.config import Settings
from govid.errors import NotReady
from govid.store.keys import KeyStore
from govid.store.sessions import Sessions
from server import queries
from server.access.browser import Cookies
from server.access.gate import Gate
from server.access.settings import AccessSettings
from server.bodies import SMALL_BODY
from server.console.console import Console, templates
from server.console.routes import Failures
from server.console.routes import router as console_router
from server.controllers.audit import AuditController
from server.controllers.cases import CaseController
from server.controllers.compare import ComparisonController
from server.controllers.dedup import DedupController
from server.controllers.gallery import GalleryController
from server.controllers.subjects import SubjectController
from server.controllers.system import SystemController
from server.controllers.use_cases import UseCaseController
from server.document import DocumentConfig
from server.history import History
from server.metrics import Metrics
from server.observer import RequestObserver
from server.openapi import SECURITY, SECURITY_SCHEMES, Yaml
from server.service import Service
from server.settings import ServerSettings


def create_app(
    settings: Settings | None = None,
    server: ServerSettings | None = None,
    service: Service | None = None,
    metrics: Metrics | None = None,
    access: AccessSettings | None = None,
) -> Litestar:
    """Build the application. Its engine loads in the background once the application starts.

    Raises:
        InvalidSettings: the file of the relying parties is wrong.
    """
    metrics, server, access = metrics or Metrics(), server or ServerSettings(), access or AccessSettings()
    service = service or Service(settings or Settings(), server, metrics, access)
    cookies = Cookies(secure=server.tls or server.behind_proxy)
    gate = Gate(
        access,
        lambda: KeyStore(service.engine.store.database),
        lambda: Sessions(
            service.engine.store.database,
            idle_seconds=access.console_idle_minutes * 60,
            longest_seconds=access.console_longest_hours * 3600,
        ),
        cookies,
        may_be_open=not server.exposed,
    )
    service.confirm = gate.confirm
    history = History(metrics)
    console = Console(service, gate, cookies, history)

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        service.start()
        watching = asyncio.create_task(history.watch())
        try:
            yield
        finally:
            watching.cancel()
            with suppress(NotReady):
                await asyncio.to_thread(gate.close)
            await service.stop()

    app = Litestar(
        route_handlers=[
            AuditController,
            CaseController,
            ComparisonController,
            DedupController,
            GalleryController,
            SubjectController,
            SystemController,
            UseCaseController,
            console_router(console),
        ],
        # One only: Litestar makes a task for each of several, which costs more than a template comparison.
        dependencies={"service": Provide(lambda: service, sync_to_thread=False)},
        middleware=[partial(_guarded, gate)],
        exception_handlers={Exception: Failures(console)},
        lifespan=[lifespan],
        template_config=templates(),
        request_max_body_size=SMALL_BODY,
        openapi_config=DocumentConfig(
            title="govid",
            version=__version__,
            description="Face matching for public services: enrol, verify, identify.",
            license=License(name="Apache-2.0", identifier="Apache-2.0"),
            path="/schema",
            components=Components(security_schemes=SECURITY_SCHEMES),
            security=SECURITY,
            # No page that loads scripts from elsewhere: the schema itself, as JSON and YAML.
            render_plugins=[JsonRenderPlugin(path=["/", "/openapi.json"]), Yaml()],
        ),
        logging_config=None,
        debug=False,
    )
    app.asgi_handler = RequestObserver(
        app.asgi_handler, metrics, service.tracing, draining=lambda: service.draining
    )
    return app


def _guarded(gate: Gate, app: ASGIApp) -> ASGIApp:
    """Every route, behind the gate.

    Not one of Litestar's guards: for each of those every request makes a copy of its route's handler, which
    takes longer than the gate, and one that is no coroutine is called in another thread.
    """

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        await gate.admit(scope)
        queries.check(scope)
        await app(scope, receive, send)

    return guard
