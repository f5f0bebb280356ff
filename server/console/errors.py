"""Errors as pages: what is wrong and what to do, in the reader's language, and the way on."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from litestar import Request, Response

from govid.errors import GovidError
from server.access.browser import CONSOLE
from server.access.errors import SignedOut
from server.console.console import Console, to
from server.errors import problem_response


def failed(console: Console, request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The page of an error. Logged, counted and answered with the status that the interface would have."""
    problem = problem_response(request, error)
    known: GovidError = request.scope["state"]["problem"]
    if isinstance(known, SignedOut):
        back = f"?next={quote(request.scope['path'], safe='/')}" if request.method == "GET" else ""
        had = console.cookies.session in console.cookies.sent(request.scope["headers"])
        if not had:
            return to(f"{CONSOLE}/sign-in{back}")
        ended = f"{back}&ended=1" if back else "?ended=1"
        return to(f"{CONSOLE}/sign-in{ended}", console.cookies.gone(console.cookies.session))
    return console.page(
        request,
        "error",
        status=problem.status_code or 500,
        headers={name: value for name, value in problem.headers.items() if name != "WWW-Authenticate"},
        slug=known.slug,
        said=console.said(request, known),
        retry_after=problem.headers.get("Retry-After"),
        request_id=request.scope["state"]["request_id"],
    )
