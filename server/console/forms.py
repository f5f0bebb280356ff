"""What people send from a page: small forms, each with the token of its session, and where to go then."""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl

from litestar import Request

from govid.errors import InvalidBody, InvalidParameter
from server.access.browser import CONSOLE, Cookies, check_own_form
from server.access.errors import FormExpired
from server.errors import BodyTooSlow, UnsupportedContentType

FORM = "application/x-www-form-urlencoded"
MOST_FIELDS = 16
SECONDS = 10.0
_OWN_ADDRESS = re.compile(rf"{CONSOLE}(/[A-Za-z0-9_/-]*)?(\?[A-Za-z0-9_.~%&=+:-]*)?")


async def read(request: Request[Any, Any, Any], cookies: Cookies) -> dict[str, str]:
    """The fields of a form of this session. There is no other way to read one, so none goes unchecked.

    Raises:
        ForeignPage, FormExpired: it comes from elsewhere, or from a page of another session.
        UnsupportedContentType, InvalidBody, BodyTooSlow.
    """
    check_own_form(request.scope["headers"])
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise UnsupportedContentType(f"send {FORM}")
    try:
        async with asyncio.timeout(SECONDS):
            content = await request.body()
    except TimeoutError:
        raise BodyTooSlow(f"not within {SECONDS:g} s") from None
    try:
        pairs = parse_qsl(
            content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS
        )
    except ValueError:
        raise InvalidBody("not a well-formed form") from None
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise InvalidBody("a field comes twice")
    expected = cookies.form_token(cookies.sent(request.scope["headers"]))
    if expected is None or not hmac.compare_digest(expected.encode(), fields.pop("token", "").encode()):
        raise FormExpired
    return fields


def way_back(address: str | None) -> str:
    """An address within the console, to go to afterwards; its first page for anything else."""
    if address and _OWN_ADDRESS.fullmatch(address) and "//" not in address:
        return address
    return CONSOLE


def text(fields: Mapping[str, str], name: str, *, longest: int, needed: bool = True) -> str:
    """A text that somebody wrote, without space around it, lines ended as everywhere.

    Raises:
        InvalidParameter: it is missing or too long.
    """
    found = fields.get(name, "").replace("\r\n", "\n").strip()
    if needed and not found:
        raise InvalidParameter(f"{name}: nothing was written")
    if len(found) > longest:
        raise InvalidParameter(f"{name}: {len(found)} characters, at most {longest}")
    return found
