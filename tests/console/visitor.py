"""A person at the console without a browser: cookies, forms and their tokens, and nothing else."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import httpx

from tests.support import PATIENCE_SECONDS

# Nobody closes a visitor: no connection outlives its request.
NO_KEEPING = httpx.Limits(max_keepalive_connections=0)


class Visitor(httpx.Client):
    """Follows no redirect by itself: a test looks at each step."""

    def __init__(self, address: str, language: str = "en") -> None:
        super().__init__(
            base_url=address,
            headers={"Accept-Language": language},
            timeout=PATIENCE_SECONDS,
            trust_env=False,
            limits=NO_KEEPING,
        )

    def keep(self, word: str) -> None:
        """Have a session cookie, wherever it came from."""
        self.cookies.set("govid_session", word, domain=self.base_url.host, path="/console")

    def token(self, page: str = "/console/sign-in") -> str:
        """The token of the forms that this visitor is shown."""
        found = re.search(r'name="token" value="([0-9a-f]+)"', self.get(page).text)
        assert found, "no form"
        return found[1]

    def submit(
        self, address: str, fields: dict[str, str] | None = None, page: str = "/console/sign-in"
    ) -> httpx.Response:
        """Fill in a form of a page and send it."""
        return self.post(address, data={"token": self.token(page), **(fields or {})})

    def sign_in(self, key: str, following: str = "") -> httpx.Response:
        """Sign in by the form."""
        return self.submit("/console/sign-in", {"key": key, "next": following})


class Tags(HTMLParser):
    """The tags of a page with their attributes, as a browser would find them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
