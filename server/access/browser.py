"""What a browser keeps and sends of a console session, and how a form is known to come from our own page."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from urllib.parse import urlsplit

from litestar.datastructures import Cookie

from server.access.errors import ForeignPage
from server.access.settings import is_loopback

CONSOLE = "/console"
_SAME_SITE = {b"same-origin", b"none"}


class Cookies:
    """The cookies of the console: none can be read by a script, or is sent along by another site."""

    def __init__(self, *, secure: bool) -> None:
        """``secure``: people reach the server by TLS, its own or a proxy's."""
        self._secure = secure
        # A browser takes the prefix only over TLS, for the whole host, and from this host itself: no sibling
        # domain can plant such a cookie.
        prefix, self._path = ("__Host-", "/") if secure else ("", CONSOLE)
        self.session = f"{prefix}govid_session"
        self.visit = f"{prefix}govid_visit"
        self.language = f"{prefix}govid_language"
        self._names = {self.session, self.visit, self.language}

    def sent(self, headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
        """The console's own cookies among these headers, as they are; one that comes twice is none.

        Never by Litestar's ``request.cookies``: Python unquotes in the square of the length, and Litestar
        keeps a thousand headers with what is in them. No value of ours needs quotes.
        """
        found: dict[str, str] = {}
        twice = set()
        for header, value in headers:
            if header == b"cookie":
                for pair in value.decode("latin-1").split(";"):
                    name, _, content = pair.strip().partition("=")
                    if name in found:
                        twice.add(name)
                    elif name in self._names:
                        found[name] = content
        return {name: content for name, content in found.items() if name not in twice}

    def make(self, name: str, value: str, *, seconds: int | None = None) -> Cookie:
        """A cookie of that name; without ``seconds`` it ends with the browser."""
        return Cookie(
            key=name,
            value=value,
            max_age=seconds,
            path=self._path,
            secure=self._secure,
            httponly=True,
            samesite="strict",
        )

    def gone(self, name: str) -> Cookie:
        """What makes a browser forget the cookie of that name."""
        return self.make(name, "", seconds=0)

    def form_token(self, cookies: Mapping[str, str]) -> str | None:
        """What each form of this browser has to bring back; None for a browser that has no cookie yet.

        Whoever cannot read the cookie cannot make it, and it does not tell the cookie.
        """
        kept = cookies.get(self.session) or cookies.get(self.visit)
        return hmac.new(kept.encode(), b"govid console form", hashlib.sha256).hexdigest() if kept else None


def check_own_form(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Let no page of another site send a form here.

    Raises:
        ForeignPage: the browser says that it comes from elsewhere.
    """
    found = dict(headers)
    origin, host = found.get(b"origin"), found.get(b"host", b"").decode("latin-1")
    if found.get(b"sec-fetch-site", b"same-origin") not in _SAME_SITE:
        raise ForeignPage
    # The host alone: behind a proxy that does TLS the scheme is another one.
    if origin is not None and _netloc(origin) != host:
        raise ForeignPage


def _netloc(origin: bytes) -> str | None:
    try:
        return urlsplit(origin.decode("latin-1")).netloc
    except ValueError:
        return None


def check_no_page(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Where nobody says who asks, a page in a browser of this machine could ask, too: it would name itself.

    Raises:
        ForeignPage: there is an origin, or the host is a name that somebody else's DNS points here.
    """
    for name, value in headers:
        if name == b"origin" or (name == b"host" and not _is_local(value.decode("latin-1"))):
            raise ForeignPage


def check_local_page(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Where nobody signs in, let only pages of this machine's own console ask.

    Raises:
        ForeignPage: the host is a name that somebody else's DNS points here, or another page asks.
    """
    headers = list(headers)
    if any(name == b"host" and not _is_local(value.decode("latin-1")) for name, value in headers):
        raise ForeignPage
    # A link of another site may lead here: that site is shown nothing. A form of it may not.
    if any(name == b"origin" for name, _ in headers):
        check_own_form(headers)


def _is_local(host: str) -> bool:
    """Whether a Host header names this machine."""
    try:
        return is_loopback(urlsplit(f"//{host}").hostname or "")
    except ValueError:
        return False
