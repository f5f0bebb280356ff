"""How much one relying party may ask of this process, so that the others are served, too."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from server.access.errors import RateLimited

# Full buckets are as good as none: beyond this many, they are thrown away.
MOST_BUCKETS = 10_000


class TokenBuckets:
    """One bucket per relying party: a request takes a token, and time brings them back.

    Of the event loop alone. A library would keep counters of windows, at whose edges twice as much passes.
    """

    def __init__(self, per_second: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_second = per_second
        self._burst = float(burst)
        self._clock = clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, name: str) -> None:
        """Take a token of ``name``.

        Raises:
            RateLimited: there is none; says when there will be one.
        """
        now = self._clock()
        tokens, since = self._buckets.get(name, (self._burst, now))
        tokens = min(self._burst, tokens + (now - since) * self._per_second)
        if tokens < 1:
            self._buckets[name] = (tokens, now)
            raise RateLimited(math.ceil((1 - tokens) / self._per_second))
        if len(self._buckets) >= MOST_BUCKETS and name not in self._buckets:
            self._forget_full(now)
        self._buckets[name] = (tokens - 1, now)

    def fill(self, name: str) -> None:
        """Give ``name`` all its tokens back."""
        self._buckets.pop(name, None)

    def _forget_full(self, now: float) -> None:
        self._buckets = {
            name: (tokens, since)
            for name, (tokens, since) in self._buckets.items()
            if tokens + (now - since) * self._per_second < self._burst
        }
