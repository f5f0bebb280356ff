"""What this process did in the last hour, for a person: the metrics, looked at now and then."""

from __future__ import annotations

import asyncio
import math
import time
from collections import Counter as Counts
from collections import deque
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from prometheus_client import Counter, Histogram

from server.metrics import BUCKETS, Metrics

STEP_SECONDS = 10.0
KEPT_SECONDS = 3600.0
MOST_SPANS = 90
"""What a chart can show; more steps are put together."""
# Of the interface: neither probes of health nor the pages that show this.
_COUNTED = "/v1/"


class Sample(NamedTuple):
    """The counters at one moment; ``at`` in seconds since the epoch."""

    at: float
    statuses: Counts[str]
    """Answers by HTTP status."""
    durations: dict[str, tuple[int, ...]]
    """By route: how many answers took no longer than each of ``BUCKETS``, and how many there were."""
    decisions: Counts[str]


class Span(NamedTuple):
    """What happened between two samples."""

    begin: float
    end: float
    statuses: Counts[str]
    durations: dict[str, tuple[int, ...]]
    decisions: Counts[str]

    @property
    def requests(self) -> int:
        """Answers given."""
        return self.statuses.total()

    @property
    def per_second(self) -> float:
        """Answers a second."""
        return self.requests / max(self.end - self.begin, 1e-9)

    @property
    def failed_per_second(self) -> float:
        """Answers a second with a status of 500 or above: overload, faults of the operator or of govid."""
        failed = sum(count for status, count in self.statuses.items() if status >= "500")
        return failed / max(self.end - self.begin, 1e-9)

    def quantile(self, part: float, route: str | None = None) -> float:
        """Seconds within which this part of the answers was given; NaN if there was none.

        Within a bucket they are taken as spread evenly, as Prometheus does; beyond the last it is its bound.
        """
        chosen = [self.durations[route]] if route else list(self.durations.values())
        return _quantile([sum(column) for column in zip(*chosen, strict=True)], part)


class History:
    """The last hour in steps of ten seconds. Written by the event loop, read by any thread: from a copy."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._samples: deque[Sample] = deque([_sample(metrics)], int(KEPT_SECONDS / STEP_SECONDS) + 1)

    async def watch(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(STEP_SECONDS)
            self.look()

    def look(self) -> None:
        """Take a sample now."""
        self._samples.append(_sample(self._metrics))

    def spans(self, seconds: float) -> list[Span]:
        """The steps of the last seconds; one that has just begun would show a rate of nearly no time."""
        samples = [*self._samples]
        if len(samples) == 1 or time.time() - samples[-1].at >= STEP_SECONDS / 2:
            samples.append(_sample(self._metrics))
        wanted = [s for s in samples if s.at >= samples[-1].at - seconds]
        # Counted from the end, so that the last step is the latest.
        every = math.ceil(len(wanted) / MOST_SPANS)
        return [_between(a, b) for a, b in pairwise(wanted[::-every][::-1])]

    def total(self, seconds: float) -> Span:
        """The last seconds as one."""
        samples = [*self._samples, _sample(self._metrics)]
        first = next(s for s in samples if s.at >= samples[-1].at - seconds)
        return _between(first, samples[-1])


def _sample(metrics: Metrics) -> Sample:
    statuses: Counts[str] = Counts()
    for labels, value in _children(metrics.requests, "_total"):
        if labels["route"].startswith(_COUNTED):
            statuses[labels["status"]] += int(value)
    durations: dict[str, Counts[str]] = {}
    for labels, value in _children(metrics.duration, "_bucket"):
        if labels["route"].startswith(_COUNTED):
            # All use cases of a route together; the order of the bounds stays.
            durations.setdefault(labels["route"], Counts())[labels["le"]] += int(value)
    decisions: Counts[str] = Counts()
    for labels, value in _children(metrics.decisions, "_total"):
        decisions[labels["decision"]] += int(value)
    within = {route: tuple(row.values()) for route, row in durations.items()}
    return Sample(time.time(), statuses, within, decisions)


def _children(metric: Counter | Histogram, suffix: str) -> list[tuple[dict[str, str], float]]:
    return [
        (sample.labels, sample.value)
        for family in metric.collect()
        for sample in family.samples
        if sample.name.endswith(suffix)
    ]


def _between(a: Sample, b: Sample) -> Span:
    nothing = (0,) * (len(BUCKETS) + 1)
    durations = {
        route: tuple(new - old for new, old in zip(row, a.durations.get(route, nothing), strict=True))
        for route, row in b.durations.items()
    }
    return Span(
        a.at,
        b.at,
        b.statuses - a.statuses,
        {route: row for route, row in durations.items() if row[-1]},
        b.decisions - a.decisions,
    )


def _quantile(within: Sequence[int], part: float) -> float:
    if not within or not within[-1]:
        return math.nan
    rank = part * within[-1]
    bounds = (0.0, *BUCKETS)
    for i, count in enumerate(within[:-1]):
        if count >= rank:
            before = within[i - 1] if i else 0
            return bounds[i] + (bounds[i + 1] - bounds[i]) * (rank - before) / max(count - before, 1)
    return BUCKETS[-1]
