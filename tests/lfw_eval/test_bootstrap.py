from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lfw_eval.bootstrap import (
    Interval,
    accuracies,
    equal_error_rates,
    fnmrs_at_fmr,
    interval,
    resampled,
    widened,
)
from lfw_eval.metrics import accuracy, equal_error_rate, fnmr_at_fmr


def some_scores(n: int = 200) -> tuple[np.ndarray, np.ndarray, list[tuple[str, str]]]:
    rng = np.random.default_rng(3)
    mated = np.repeat([True, False], n)
    scores = np.where(mated, 0.6, 0.2) + rng.normal(0, 0.15, 2 * n)
    scores[[0, -1]] = np.nan
    people = [(f"p{i // 4}",) * 2 for i in range(n)] + [(f"p{i // 4}", f"p{(i * 7) % 50}x") for i in range(n)]
    return scores, mated, people


def test_people_drawn_once_give_the_plain_rates() -> None:
    scores, mated, _ = some_scores()
    once = np.ones((1, len(scores)), dtype=np.float32)
    for target in (0.0, 1e-2, 0.1):
        plain = fnmr_at_fmr(scores, mated, target).fnmr
        assert fnmrs_at_fmr(scores, mated, target, once)[0] == pytest.approx(plain)
    assert equal_error_rates(scores, mated, once)[0] == pytest.approx(
        equal_error_rate(scores, mated), abs=5e-3
    )
    one_fold = accuracy(scores, mated, np.zeros(len(scores), dtype=int))
    threshold = np.full(len(scores), one_fold.thresholds[0])
    assert accuracies(scores, mated, threshold, once)[0] == pytest.approx(one_fold.mean)


def test_weights_are_those_of_repeated_comparisons() -> None:
    scores, mated, _ = some_scores(40)
    times = np.random.default_rng(0).integers(0, 4, len(scores))
    repeated, flags = np.repeat(scores, times), np.repeat(mated, times)
    weighted = fnmrs_at_fmr(scores, mated, 0.05, times[None].astype(np.float32))[0]
    assert weighted == pytest.approx(fnmr_at_fmr(repeated, flags, 0.05).fnmr)


def test_a_mated_comparison_counts_once_for_its_person_and_a_non_mated_one_for_both() -> None:
    people = [("a", "a"), ("b", "b"), ("a", "b")]
    times = resampled(people, lambda times: times.T.astype(np.float64), replicates=50)
    np.testing.assert_array_equal(times[0] * times[1], times[2])
    np.testing.assert_array_equal(times[0] + times[1], 2)


def test_the_same_seed_draws_the_same_people() -> None:
    people = [(f"p{i}", f"p{i + 1}") for i in range(30)]
    first, again = (resampled(people, lambda times: times.sum(axis=1)[None]) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert first.shape == (1, 1000)


def test_the_interval_covers_the_truth_where_people_differ() -> None:
    # People have rates of their own, so the comparisons of one are alike; an interval over pairs would
    # be half as wide and cover the true rate of 0.1 in two of three worlds.
    rng = np.random.default_rng(1)
    covered = over_pairs = 0
    worlds = 200
    for _ in range(worlds):
        rates = rng.beta(0.5, 4.5, 80)
        missed = rng.random((80, 10)) < rates[:, None]
        people = [(f"p{i}",) * 2 for i in range(80) for _ in range(10)]
        scores, mated = np.where(missed.ravel(), 0.0, 1.0), np.ones(800, dtype=bool)
        accuracy_of = partial(accuracies, scores, mated, np.full(800, 0.5))
        drawn = resampled(people, lambda times, of=accuracy_of: of(times)[None], replicates=200)
        low, high = interval(1 - drawn)
        covered += low <= 0.1 <= high
        error = 1.96 * np.sqrt(missed.mean() * (1 - missed.mean()) / 800)
        over_pairs += abs(missed.mean() - 0.1) <= error
    assert covered / worlds > 0.9
    assert over_pairs / worlds < 0.85


def test_no_error_at_all_still_has_a_bound() -> None:
    assert widened(Interval(0.0, 0.0), 0.0, 300) == (0.0, 0.01)
    assert widened(Interval(0.1, 0.2), 0.15, 300) == (0.1, 0.2)
