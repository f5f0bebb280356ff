"""Before every route: who asks, how often, and whether they may. It runs before the body is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote_to_bytes

from govid import keys
from govid.callers import ANYBODY, LOCAL, Caller, Scope
from govid.keys import ApiKey
from govid.store.keys import KeyStore
from govid.store.sessions import Sessions
from server.access import browser
from server.access.certificates import Parties
from server.access.errors import (
    InvalidCredential,
    NotAllowed,
    RateLimited,
    SignedOut,
    TooManyTries,
    Unauthenticated,
)
from server.access.keyring import KeyRing
from server.access.quota import TokenBuckets
from server.access.routes import ROUTES, Door
from server.access.settings import AccessSettings
from server.access.tokens import TokenReader
from server.errors import NotFound

# Of one key from one address: five tries at once, then one a minute.
TRIES, TRIES_PER_SECOND = 5, 1 / 60
_NUMBER = re.compile(rb"[1-9][0-9]{0,18}")


class Gate:
    """Lets relying parties in. What is in doubt is closed."""

    def __init__(
        self,
        settings: AccessSettings,
        store: Callable[[], KeyStore],
        sessions: Callable[[], Sessions],
        cookies: browser.Cookies,
        *,
        may_be_open: bool,
    ) -> None:
        """Prepare what the settings name.

        Args:
            store: the keys; raises NotReady while the records are not open yet.
            sessions: those of the console; raises NotReady likewise.
            cookies: what a browser keeps of such a session.
            may_be_open: nobody but this machine can reach the server.

        Raises:
            InvalidSettings: the file of the parties is wrong.
        """
        self._ring = KeyRing(store)
        self._store = store
        self.sessions = sessions
        self._cookies = cookies
        self._tries = TokenBuckets(TRIES_PER_SECOND, TRIES)
        self._tokens = TokenReader(settings) if settings.jwks else None
        self._parties = Parties(settings)
        self._buckets = TokenBuckets(settings.requests_per_second, settings.request_burst)
        self._may_be_open = (
            may_be_open
            and settings.authentication == "auto"
            and self._tokens is None
            and not self._parties.configured
        )
        self._doors: dict[Door, Door | frozenset[Scope]] = {
            Door.METRICS: Door.OPEN if settings.open_metrics else frozenset({Scope.METRICS, Scope.ADMIN}),
            Door.SCHEMA: Door.OPEN if settings.open_schema else Door.KNOWN,
        }

    async def admit(self, scope: Any) -> None:  # noqa: ANN401 - an ASGI scope with Litestar's own keys
        """Let a request pass and note its caller in ``state``.

        Raises:
            NotFound, Unauthenticated, NotAllowed, UntrustedProxy, ForeignPage, RateLimited, OperatorError.
        """
        _check_plain(scope["raw_path"])
        _check_numbers(scope)
        door = ROUTES.get(f"{scope['method']} {scope['path_template']}", frozenset[Scope]())
        if isinstance(door, Door):
            door = self._doors.get(door, door)
        if door is Door.OPEN:
            # All of them together have no more places than one relying party.
            scope["state"]["caller"] = ANYBODY
            return
        # The console knows people by their session alone, and the API knows no session: a page that makes a
        # browser ask the API gets nothing.
        in_console = scope["path_template"].startswith(browser.CONSOLE)
        caller = await (self._operator(scope) if in_console else self._caller(scope))
        if caller is not LOCAL:
            self._buckets.take(caller.name)
        scope["state"]["caller"] = caller
        if isinstance(door, frozenset) and not door & caller.scopes:
            raise NotAllowed(f"one of: {', '.join(sorted(door))}")

    async def confirm(self, scope: Any) -> None:  # noqa: ANN401 - as above
        """Look once more who asks: a body took its time, and a key may have ended meanwhile.

        Raises:
            Unauthenticated, UntrustedProxy, OperatorError.
        """
        admitted: Caller = scope["state"]["caller"]
        if admitted is not ANYBODY and admitted is not LOCAL and await self._caller(scope) != admitted:
            raise InvalidCredential

    async def _caller(self, scope: Any) -> Caller:  # noqa: ANN401 - an ASGI scope with its server's own keys
        found: dict[bytes, list[bytes]] = {b"authorization": [], b"client-cert": []}
        for name, value in scope["headers"]:
            if name in found:
                found[name].append(value)
        if not self._ring.fresh:
            await self._ring.refresh()
        forwarded = self._parties.forwarded(found[b"client-cert"], scope["client"])
        if found[b"authorization"]:
            return await self._bearer(found[b"authorization"])
        if self._parties.configured and (shown := forwarded or scope["state"].get("client_certificate")):
            return self._parties.caller(shown)
        if not (self._may_be_open and self._ring.empty):
            raise Unauthenticated
        browser.check_no_page(scope["headers"])
        return LOCAL

    async def _operator(self, scope: Any) -> Caller:  # noqa: ANN401 - as above
        if await self.is_open():
            browser.check_local_page(scope["headers"])
            return LOCAL
        word = self._cookies.sent(scope["headers"]).get(self._cookies.session)
        key_id = await asyncio.to_thread(self.sessions().key_of, word) if word else None
        caller = self._ring.holder(key_id) if key_id else None
        if caller is None:
            raise SignedOut
        return caller

    async def is_open(self) -> bool:
        """Whether nobody has to say who they are."""
        if not self._ring.fresh:
            await self._ring.refresh()
        return self._may_be_open and self._ring.empty

    async def key(self, presented: str, address: str) -> ApiKey:
        """The key that somebody signs in with.

        Args:
            address: where they are; behind a proxy all are where it is.

        Raises:
            InvalidCredential: it is none, or no valid one.
            TooManyTries: wrong ones of this id from there; a right one is not looked at either.
            OperatorError: the keys cannot be read.
        """
        if not self._ring.fresh:
            await self._ring.refresh()
        # Counted by keys that exist, so that made-up ids do not fill the memory.
        tried = f"{address} {keys.id_of(presented) if self._ring.knows(presented) else ''}"
        try:
            self._tries.take(tried)
        except RateLimited as error:
            raise TooManyTries(error.retry_after_seconds) from None
        if (key := self._ring.key(presented)) is None:
            raise InvalidCredential
        self._tries.fill(tried)
        return key

    async def _bearer(self, values: list[bytes]) -> Caller:
        scheme, _, credential = values[0].partition(b" ")
        if len(values) > 1 or scheme.lower() != b"bearer" or not credential.isascii():
            raise InvalidCredential
        presented = credential.decode("ascii")
        if presented.startswith(keys.PREFIX):
            if (caller := self._ring.caller(presented)) is None:
                raise InvalidCredential
            return caller
        if self._tokens is None:
            raise InvalidCredential
        return await self._tokens.caller(presented)

    def close(self) -> None:
        """Write down when the keys were last used; raises NotReady if the records were never open."""
        self._ring.keep_use(self._store())


def _check_plain(raw_path: bytes) -> None:
    """What a proxy in front may have judged as another address than the one that is routed here.

    Raises:
        NotFound: it has an empty segment, a slash in disguise, or no UTF-8.
    """
    if b"%" not in raw_path and b"//" not in raw_path:
        return
    if b"//" in raw_path or b"%2f" in raw_path.lower():
        raise NotFound
    try:
        unquote_to_bytes(raw_path).decode("utf-8")
    except UnicodeDecodeError:
        raise NotFound from None


def _check_numbers(scope: Any) -> None:  # noqa: ANN401 - as above
    """Each thing with a number has one address: Python reads 1_0, +10, 010 and other scripts' digits as 10.

    Raises:
        NotFound.
    """
    numbers = {f"{{{name}}}" for name, value in scope["path_params"].items() if isinstance(value, int)}
    if not numbers:
        return
    template, sent = scope["path_template"].split("/"), scope["raw_path"].split(b"/")
    if len(template) != len(sent) or not all(
        _NUMBER.fullmatch(said) for name, said in zip(template, sent, strict=True) if name in numbers
    ):
        raise NotFound
