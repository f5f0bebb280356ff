"""Where the pages hang in the application."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router
from litestar.di import Provide

from server.access.browser import CONSOLE
from server.console.console import Console
from server.console.errors import failed
from server.console.pages.audit import AuditPages
from server.console.pages.cases import CasePages
from server.console.pages.complaints import ComplaintPages
from server.console.pages.overview import OverviewPage
from server.console.pages.policies import PolicyPage
from server.console.pages.sign_in import SignInPages
from server.errors import problem_response


def router(console: Console) -> Router:
    """All pages. They are for people, so the OpenAPI document has none of them."""
    return Router(
        CONSOLE,
        route_handlers=[AuditPages, CasePages, ComplaintPages, OverviewPage, PolicyPage, SignInPages],
        dependencies={"console": Provide(lambda: console, sync_to_thread=False)},
        include_in_schema=False,
    )


class Failures:
    """An error as a page for people, as problem+json for programs: by the address, known or not."""

    def __init__(self, console: Console) -> None:
        self._console = console

    def __call__(self, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
        """The reply."""
        path: str = request.scope["path"]
        if path == CONSOLE or path.startswith(f"{CONSOLE}/"):
            return failed(self._console, request, error)
        return problem_response(request, error)
