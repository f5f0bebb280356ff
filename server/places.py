"""Who is taken on: so many requests at once, so many of one caller, and so many bytes of bodies.

Used on the event loop alone. What is full says so at once, and when to come back.
"""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from govid.callers import ANYBODY, LOCAL, Caller
from server.access.errors import QuotaExceeded
from server.errors import Overloaded
from server.metrics import Metrics
from server.settings import ServerSettings
from server.workers import Workers

# Nobody stands before a desk for these: they are computed when nothing interactive waits, or in between.
BATCH = frozenset({"embed", "enrol", "add_reference", "set_groups"})
# Whoever has to look why a server is full gets in all the same: by a key that is good, five tries at once.
SIGN_IN = "sign_in"
LONGEST_RETRY_SECONDS = 30
WARNING_SECONDS = 10
log = logging.getLogger("govid.server")


@dataclass(slots=True)
class Place:
    """One of the requests the server takes on; ``held`` once a worker has to give it back."""

    caller: str
    body_bytes: int = 0
    held: bool = False


class Places:
    """The places of a server: one for each worker, and for each request that waits for one."""

    def __init__(self, server: ServerSettings, at_once: int, workers: Workers, metrics: Metrics) -> None:
        """Empty all of them.

        Args:
            at_once: requests that one caller may have in hand.
            workers: who is waited for.
        """
        self._workers = workers
        self._metrics = metrics
        self._at_once = at_once
        self._capacity = server.worker_count + server.max_waiting
        # The last places are kept for those who stand before a desk.
        self._batch_capacity = self._capacity - server.max_waiting // 4
        # Of those whom nobody knows, all together.
        self._strangers = max(1, self._capacity // 4)
        # A body costs its sender nothing to delay: half of the places stay for others meanwhile.
        self._arriving_at_once = max(1, self._capacity // 2)
        self._max_body_bytes = server.max_body_bytes
        self._taken = 0
        self._taken_by: Counter[str] = Counter()
        self._arriving_of: Counter[str] = Counter()
        self._body_bytes = self._small_bytes = 0
        self._turned_away = 0
        self._next_warning = 0.0
        metrics.capacity.set(self._capacity)

    @property
    def taken(self) -> int:
        """How many requests are in hand."""
        return self._taken

    @contextmanager
    def taken_by(self, operation: str, caller: Caller) -> Iterator[Place]:
        """A place for a request. It ends with the block, unless the place is held: then with ``leave``.

        Raises:
            QuotaExceeded: the caller has as many requests in hand as it may.
            Overloaded: all places are taken, or too many ask whom nobody knows.
        """
        name = SIGN_IN if operation == SIGN_IN else caller.name
        if caller is ANYBODY:
            if self._taken_by[name] >= self._strangers:
                raise self._overloaded()
        elif caller is not LOCAL and self._taken_by[name] >= self._at_once:
            raise QuotaExceeded(self._queue_seconds())
        most = self._batch_capacity if operation in BATCH else self._capacity
        if self._taken >= most and operation != SIGN_IN:
            raise self._overloaded()
        place = Place(name)
        self._taken += 1
        self._taken_by[name] += 1
        self._metrics.waiting.inc()
        try:
            yield place
        finally:
            if not place.held:
                self.leave(place)

    def leave(self, place: Place) -> None:
        """Give a place back, and the bytes of its body."""
        self._taken -= 1
        _one_less(self._taken_by, place.caller)
        self._body_bytes -= place.body_bytes
        self._metrics.waiting.dec()

    @contextmanager
    def arriving(self, caller: Caller) -> Iterator[None]:
        """While its body arrives, a request has a place that nothing is done in.

        Raises:
            QuotaExceeded: the bodies of this caller hold half of the places already.
        """
        if self._arriving_of[caller.name] >= self._arriving_at_once and caller is not LOCAL:
            raise QuotaExceeded(self._queue_seconds())
        self._arriving_of[caller.name] += 1
        try:
            yield
        finally:
            _one_less(self._arriving_of, caller.name)

    def charge(self, place: Place, length: int) -> None:
        """Count bytes that came for a place; raises Overloaded where all bodies together have too many."""
        place.body_bytes += length
        self._body_bytes += length
        if self._body_bytes > self._max_body_bytes:
            raise self._overloaded()

    @contextmanager
    def small_body(self) -> Iterator[Place]:
        """What the bytes of a small body are charged to, which has no place yet, while it arrives."""
        small = Place("")
        try:
            yield small
        finally:
            self._small_bytes -= small.body_bytes

    def charge_small(self, small: Place, length: int) -> None:
        """``charge`` for these, by themselves: whoever needs no key must not take the bytes of photos."""
        small.body_bytes += length
        self._small_bytes += length
        if self._small_bytes > self._max_body_bytes // 2:
            raise self._overloaded()

    def _overloaded(self) -> Overloaded:
        """A refusal that asks to come back when what waits now should be done."""
        self._turned_away += 1
        # One line at a time: a flood must not write the disk full that the audit needs.
        if (now := time.monotonic()) >= self._next_warning:
            log.warning("overloaded: %d requests turned away since the last such line", self._turned_away)
            self._turned_away, self._next_warning = 0, now + WARNING_SECONDS
        return Overloaded(self._queue_seconds())

    def _queue_seconds(self) -> int:
        seconds = math.ceil(self._taken * self._workers.mean_seconds / self._workers.count)
        return min(max(seconds, 1), LONGEST_RETRY_SECONDS)


def _one_less(of: Counter[str], name: str) -> None:
    of[name] -= 1
    if not of[name]:
        del of[name]  # callers come and go
