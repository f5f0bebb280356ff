"""In by an API key, out at will; and the language."""

from __future__ import annotations

import logging
from typing import Annotated, Any

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, Template

from govid import keys
from govid.pipeline import Engine
from server.access.errors import InvalidCredential, SignedOut, TooManyTries
from server.console import catalogue, forms
from server.console.console import Console, asset, to
from server.controllers.reply import caller_of, request_id
from server.errors import NotFound, status_of
from server.scarce import Scarce

_ASSETS = {"console.css": "text/css; charset=utf-8", "icon.svg": "image/svg+xml"}
_YEAR = 365 * 86400
log = logging.getLogger("govid.server")
_refused = Scarce()


class SignInPages(Controller):
    """The key comes in the body of a form, is looked at once, and stays nowhere."""

    @get("/sign-in")
    async def form(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        following: Annotated[str, QueryParameter(name="next")] = "",
        ended: FromQuery[bool] = False,
    ) -> Template | Redirect:
        """Ask for a key; where nobody needs one, go on at once."""
        following = forms.way_back(following)
        if await console.gate.is_open():
            return to(following)
        said = console.said(request, SignedOut()) if ended else None
        return console.page(request, "sign-in", following=following, said=said, wrong=False)

    @post("/sign-in")
    async def sign_in(
        self, request: Request[Any, Any, Any], console: NamedDependency[Console]
    ) -> Template | Redirect:
        """Exchange the key for a session: a new one each time, whatever the browser had."""
        fields = await forms.read(request, console.cookies)
        presented = fields.get("key", "").strip()
        following = forms.way_back(fields.get("next"))
        address = (request.scope.get("client") or ("", 0))[0]
        try:
            key = await console.gate.key(presented, address)
        except (InvalidCredential, TooManyTries) as error:
            _refused.say(
                log,
                logging.WARNING,
                "console: sign-in with key id %s refused: %s",
                keys.id_of(presented),
                error.slug,
            )
            wait = {"Retry-After": str(error.retry_after_seconds)} if isinstance(error, TooManyTries) else {}
            return console.page(
                request,
                "sign-in",
                status=status_of(type(error)),
                headers=wait,
                following=following,
                said=console.said(request, error),
                wrong=True,
            )

        def begin(_: Engine) -> str:
            return console.gate.sessions().begin(key, request_id=request_id(request))

        word = await console.service.run(request, "sign_in", begin)
        return to(
            following,
            console.cookies.make(console.cookies.session, word),
            console.cookies.gone(console.cookies.visit),
        )

    @post("/sign-out")
    async def sign_out(self, request: Request[Any, Any, Any], console: NamedDependency[Console]) -> Redirect:
        """End the session, here and in the records."""
        await forms.read(request, console.cookies)
        if word := console.cookies.sent(request.scope["headers"]).get(console.cookies.session):
            name, asked = caller_of(request).name, request_id(request)
            await console.service.run(
                request, "sign_out", lambda _: console.gate.sessions().end(word, name, request_id=asked)
            )
        return to("/console/sign-in", console.cookies.gone(console.cookies.session))

    @post("/language")
    async def language(self, request: Request[Any, Any, Any], console: NamedDependency[Console]) -> Redirect:
        """Keep the reader's language, and go back to what they read."""
        fields = await forms.read(request, console.cookies)
        back = forms.way_back(fields.get("next"))
        if (language := fields.get("language", "")) not in catalogue.LANGUAGES:
            return to(back)
        return to(back, console.cookies.make(console.cookies.language, language, seconds=_YEAR))

    @get("/assets/{name:str}")
    async def asset(self, name: FromPath[str]) -> Response[bytes]:
        """The style and the icon."""
        if name not in _ASSETS:
            raise NotFound
        return Response(asset(name), media_type=_ASSETS[name])
