"""From what came over HTTP to a result or an error."""

from __future__ import annotations

from typing import TypeVar

import httpx
import msgspec

from govid.client.errors import ApiError, UnexpectedReply
from govid.client.problems import BY_SLUG
from govid.wire import Health, Problem

T = TypeVar("T")
_PROBLEM = "application/problem+json"


def result(reply: httpx.Response, wanted: type[T]) -> T:
    """The result of a reply.

    Raises:
        ApiError: the class of the problem's slug.
        UnexpectedReply: it is neither ``wanted`` nor a problem.
    """
    # A server that is not ready says why in the words of one that is.
    if not reply.is_success and not (wanted is Health and _media_type(reply) == "application/json"):
        raise _error(reply)
    if wanted is type(None) and not reply.content:
        return None
    if wanted is bytes:  # a document or a picture, as it came
        return reply.content  # type: ignore[return-value]
    try:
        return msgspec.json.decode(reply.content, type=wanted)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UnexpectedReply(reply.status_code, str(error), _request_id(reply)) from None


def _error(reply: httpx.Response) -> ApiError | UnexpectedReply:
    try:
        if _media_type(reply) != _PROBLEM:
            raise ValueError
        problem = msgspec.json.decode(reply.content, type=Problem)
    except (ValueError, msgspec.MsgspecError):
        why = "no problem+json of govid"
        return UnexpectedReply(reply.status_code, why, _request_id(reply), _retry_after(reply))
    return BY_SLUG.get(problem.slug, ApiError)(problem, _retry_after(reply))


def _media_type(reply: httpx.Response) -> str:
    return str(reply.headers.get("Content-Type", "")).partition(";")[0]


def _request_id(reply: httpx.Response) -> str:
    return str(reply.headers.get("X-Request-Id", ""))


def _retry_after(reply: httpx.Response) -> float | None:
    # govid says seconds; a date, which a proxy may say, is left to the back-off.
    value = reply.headers.get("Retry-After", "")
    return float(value) if value.isascii() and value.isdecimal() and len(value) < 10 else None
