from __future__ import annotations

import math
from itertools import pairwise

import pytest

from server.history import History
from server.metrics import Metrics


def answered(metrics: Metrics, route: str, status: str, *seconds: float, use_case: str = "") -> None:
    for spent in seconds:
        metrics.requests_of(route, "POST", status, use_case).inc()
        metrics.duration_of(route, use_case).observe(spent)


def test_spans_count_what_happened_between_two_looks() -> None:
    metrics = Metrics()
    answered(metrics, "/v1/verify", "200", 0.02)
    history = History(metrics)
    answered(metrics, "/v1/verify", "200", *[0.004] * 4, use_case="general")
    answered(metrics, "/v1/verify", "200", *[0.004] * 5, use_case="hotel_checkin")
    answered(metrics, "/v1/compare", "503", 0.2)
    metrics.decisions_of("verify", "general", "MATCH").inc()
    history.look()
    answered(metrics, "/console", "200", 0.001)
    answered(metrics, "/readyz", "200", 0.001)
    history.look()
    first, last = history.spans(3600)
    assert first.requests == 10
    assert first.decisions == {"MATCH": 1}
    assert first.failed_per_second == pytest.approx(first.per_second / 10)
    assert first.quantile(0.5) == pytest.approx(0.004, abs=0.001)
    assert 0.1 < first.quantile(0.99) <= 0.25
    assert first.quantile(0.99, "/v1/verify") <= 0.005
    assert last.requests == 0
    answered(metrics, "/v1/verify", "200", 0.004)
    # A moment that has just begun is no step of its own, and counts all the same.
    assert history.spans(3600) == [first, last]
    assert math.isnan(last.quantile(0.5))
    assert history.total(3600).requests == 11


def test_what_takes_longer_than_the_last_bucket_is_not_guessed() -> None:
    metrics = Metrics()
    history = History(metrics)
    answered(metrics, "/v1/identify", "200", 100.0)
    assert history.total(60).quantile(0.5) == 2.5


def test_it_forgets_after_an_hour() -> None:
    history = History(Metrics())
    for _ in range(1000):
        history.look()
    assert len(history._samples) == 361
    spans = history.spans(7200)
    assert 72 <= len(spans) <= 90
    assert spans[-1].end == history._samples[-1].at
    assert all(a.end == b.begin for a, b in pairwise(spans))
