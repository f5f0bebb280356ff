"""What all pages have in common: the frame around them, the reader's language, and who reads."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import Request
from litestar.datastructures import Cookie
from litestar.plugins.jinja import JinjaTemplateEngine
from litestar.response import Redirect, Template
from litestar.template import TemplateConfig

from govid import __version__
from govid.callers import ANYBODY, LOCAL, Caller, Scope
from govid.errors import CallerError, GovidError
from server.access.browser import CONSOLE, Cookies
from server.access.gate import Gate
from server.access.routes import ROUTES
from server.console import catalogue, shown
from server.history import History
from server.messages import Message, message
from server.service import Service

# In the order of the menu: key of the text, and address.
_MENU = (
    ("overview", CONSOLE),
    ("decisions", f"{CONSOLE}/decisions"),
    ("cases", f"{CONSOLE}/cases"),
    ("complaints", f"{CONSOLE}/complaints"),
    ("audit", f"{CONSOLE}/audit"),
    ("policies", f"{CONSOLE}/policies"),
)


@dataclass(frozen=True, slots=True)
class Console:
    """The parts of the server that the pages need."""

    service: Service
    gate: Gate
    cookies: Cookies
    history: History

    def words(self, request: Request[Any, Any, Any]) -> catalogue.Words:
        """The texts in the reader's language."""
        kept = self.cookies.sent(request.scope["headers"]).get(self.cookies.language)
        return catalogue.chosen(kept, request.headers.get("accept-language", ""))

    def said(self, request: Request[Any, Any, Any], error: GovidError) -> Message:
        """What the interface says of an error, in the reader's language."""
        return message(error, self.words(request).spoken, with_detail=isinstance(error, CallerError))

    def page(
        self,
        request: Request[Any, Any, Any],
        name: str,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
        **values: Any,  # noqa: ANN401
    ) -> Template:
        """The template of that name, within the frame, for whoever asks."""
        # A request that nobody let in has no caller: an error before or at the gate.
        caller: Caller = request.scope["state"].get("caller", ANYBODY)
        cookies: list[Cookie] = []
        token = self.cookies.form_token(self.cookies.sent(request.scope["headers"]))
        if token is None:
            visit = self.cookies.make(self.cookies.visit, secrets.token_urlsafe(32))
            token = self.cookies.form_token({self.cookies.visit: str(visit.value)})
            cookies.append(visit)
        query = request.scope["query_string"].decode("latin-1")
        path = request.scope["path"]
        return Template(
            template_name=f"{name}.html",
            context={
                "t": self.words(request),
                "languages": catalogue.LANGUAGES,
                "tags": catalogue.TAGS,
                "caller": None if caller is ANYBODY else caller,
                "is_open": caller is LOCAL,
                "menu": [(key, to) for key, to in _MENU if _may(caller, to)],
                "page": name,
                "here": (f"{path}?{query}" if query else path) if request.method == "GET" else CONSOLE,
                "form_token": token,
                "version": __version__,
                **values,
            },
            status_code=status,
            headers=headers or {},
            cookies=cookies,
            media_type="text/html; charset=utf-8",
        )


def to(address: str, *cookies: Cookie) -> Redirect:
    """Go on there with GET: a page that is loaded again sends no form again."""
    return Redirect(address, status_code=303, cookies=list(cookies))


def may(caller: Caller, *scopes: Scope) -> bool:
    """Whether a caller has one of these scopes."""
    return not caller.scopes.isdisjoint(scopes)


def _may(caller: Caller, address: str) -> bool:
    door = ROUTES[f"GET {address}"]
    return caller is not ANYBODY and (not isinstance(door, frozenset) or may(caller, *door))


def templates() -> TemplateConfig[JinjaTemplateEngine]:
    """Jinja, which escapes everything, and takes a name that nobody set for an error."""
    environment = Environment(
        loader=PackageLoader("server.console"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "moment": shown.moment,
        "rate": shown.rate,
        "one_in": shown.one_in,
        "score": shown.score,
        "ms": shown.milliseconds,
    }
    return TemplateConfig(instance=JinjaTemplateEngine.from_environment(environment))


def asset(name: str) -> bytes:
    """A file of the console's own."""
    return resources.files("server.console").joinpath(f"assets/{name}").read_bytes()
