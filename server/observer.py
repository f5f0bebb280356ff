"""Around every request: its id, its count, its time, its log line and its trace, whatever becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from govid.audit import new_request_id
from server.access.browser import CONSOLE
from server.deprecation import DEPRECATED, Deprecation
from server.logs import RequestLog
from server.metrics import Metrics
from server.tracing import Tracing

_SAFE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    # Nothing here is a page, and no page of another site is to read it: there is no CORS header at all.
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
# The console is pages: of their own style, of pictures within them, and of no script at all.
_PAGE_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    # Without any, a browser would say of our own forms that they come from nowhere.
    (b"referrer-policy", b"same-origin"),
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self' data:; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), microphone=(), geolocation=()"),
]
_TLS_HEADERS = [(b"strict-transport-security", b"max-age=31536000")]
# A connection that is kept would be closed at the end, and what its caller sends at this moment be lost.
_DRAINING_HEADERS = [(b"connection", b"close")]


class RequestObserver:
    """ASGI middleware outside of routing, so that unknown addresses are seen as well."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        tracing: Tracing | None = None,
        deprecated: Mapping[str, Deprecation] = DEPRECATED,
        draining: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing
        self._deprecated = deprecated
        self._draining = draining
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        request_id = new_request_id()
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        start = time.perf_counter()
        status = 500

        async def observed_send(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                # The route is known only now.
                going = self._deprecated.get(f"{scope['method']} {scope.get('path_template')}")
                notice = going.headers() if going else []
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", request_id.encode()),
                    *notice,
                    *(_PAGE_HEADERS if scope["path"].startswith(CONSOLE) else _SAFE_HEADERS),
                    *(_TLS_HEADERS if scope["scheme"] == "https" else ()),
                    *(_DRAINING_HEADERS if self._draining() else ()),
                ]
            await send(message)

        try:
            await self._app(scope, receive, observed_send)
        finally:
            # Only known routes and methods become labels: a scanner must not fill the memory.
            route = scope.get("path_template") or "unmatched"
            method = scope["method"] if route != "unmatched" else "-"
            use_case = state.get("use_case", "")
            spent = time.perf_counter() - start
            self._metrics.requests_of(route, method, str(status), use_case).inc()
            self._metrics.duration_of(route, use_case).observe(spent)
            if "problem" in state:
                self._metrics.problems.labels(state["problem"].slug).inc()
            self._log(state, route, method, status, spent, use_case)
            if self._tracing:
                self._tracing.request(scope, route, method, status, start, use_case)
