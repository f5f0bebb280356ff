from __future__ import annotations

import numpy as np
import pytest

from lfw_eval import clusters


@pytest.mark.parametrize(
    ("count", "low", "high"), [(3, 0.619, 8.767), (10, 4.795, 18.39), (100, 81.36, 121.6)]
)
def test_the_bounds_of_a_count_are_garwoods(count: int, low: float, high: float) -> None:
    # Expected: chi-square quantiles, as in the tables of Garwood (1936).
    assert clusters.poisson_bound(count, -1.96) == pytest.approx(low, rel=0.03)
    assert clusters.poisson_bound(count, 1.96) == pytest.approx(high, rel=0.01)


def test_independent_events_count_in_full_and_dependent_ones_do_not() -> None:
    # A hundred events among a million: alone, or in ten people who make ten each.
    p = 1e-4
    assert clusters.effective_count(p, 100, p / 1e6) == pytest.approx(100)
    assert clusters.effective_count(p, 100, 10 * p / 1e6) == pytest.approx(10)
    alone, together = (clusters.upper_bound(p, 100, k * p / 1e6) for k in (1, 10))
    assert p < alone < together


def test_the_variance_of_independent_pairs_of_people_is_the_binomial_one() -> None:
    people, p, ratios = 200, 0.01, []
    total = people * (people - 1) / 2
    upper = np.triu(np.ones((people, people), dtype=bool), k=1)
    for seed in range(30):
        c = upper & (np.random.default_rng(seed).random((people, people)) < p)
        rate = c.sum() / total
        e = np.where(upper, c - rate, 0)
        sums, shares = (e + e.T).sum(axis=1), np.full(people, people - 1.0)
        variance = clusters.variance(sums, shares, float((e**2).sum()), total)
        ratios.append(variance / (rate * (1 - rate) / total))
    assert np.mean(ratios) == pytest.approx(1, abs=0.15)


def test_without_an_event_the_rule_of_three_bounds_the_rate() -> None:
    assert clusters.bounds(0.0, 0, 0.0, 300) == (0.0, 0.01)
    assert clusters.bounds(0.0, 0, 0.0, 0) == (0.0, 1.0)
