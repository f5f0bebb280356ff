"""Which failures are tried again, and when.

A call is repeatable if doing it twice is doing it once: reads, and writes under an idempotency key. Any
other is tried again only where it certainly was not begun: no connection came about, or the server turned it
away at the door. So is verify, which counts attempts and leaves a row in the audit, and PUT, which would undo
what another writer did in between.
"""

from __future__ import annotations

import random

import httpx

from govid.client import problems
from govid.client.errors import ApiError, CallFailed, UnexpectedReply, Unreachable

# Answered before anything was done.
_AT_THE_DOOR = (problems.Overloaded, problems.NotReady, problems.RateLimited, problems.IssuerUnreachable)
# Nobody was reached.
NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
_PASSING = frozenset({429, 502, 503, 504})


def again(error: CallFailed, repeatable: bool) -> bool:
    """Whether another attempt is safe and may help."""
    if isinstance(error, Unreachable):
        return repeatable or not error.perhaps_done
    if isinstance(error, _AT_THE_DOOR):
        return True
    # Not a lock: it is there to stop attempts, and a person should look instead.
    return repeatable and isinstance(error, ApiError | UnexpectedReply) and error.status in _PASSING


def pause(attempt: int, backoff: float, retry_after: float | None) -> float:
    """Seconds before the next attempt: full jitter, and never before the server's word.

    Args:
        attempt: the one that failed, from 1.
        backoff: most after the first.
    """
    drawn = random.uniform(0, backoff * 2 ** (attempt - 1))  # noqa: S311 - spreads load, guards nothing
    return drawn if retry_after is None else retry_after + drawn
