from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lfw_eval.metrics import accuracy, best_threshold, det_curve, equal_error_rate, fnmr_at_fmr

MATED = np.array([True, True, True, False, False, False])


def errors(scores: np.ndarray, mated: np.ndarray, threshold: float) -> int:
    return int(np.sum((scores >= threshold) != mated))


@given(st.lists(st.tuples(st.floats(-1, 1), st.booleans()), min_size=2, max_size=40))
def test_no_threshold_has_fewer_errors_than_the_best(rows: list[tuple[float, bool]]) -> None:
    scores, mated = np.array([s for s, _ in rows]), np.array([m for _, m in rows])
    least = min(errors(scores, mated, t) for t in [*scores, -2.0, 2.0])
    assert errors(scores, mated, best_threshold(scores, mated)) == least


def test_a_clean_gap_is_cut_in_its_middle() -> None:
    assert best_threshold(np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1]), MATED) == pytest.approx(0.5)


def test_a_fold_never_helps_to_choose_its_own_threshold() -> None:
    # Fold 1 alone would be perfect at 0.25; the threshold of the other folds says otherwise.
    scores = np.array([0.3, 0.2, 0.9, 0.5, 0.9, 0.5])
    mated = np.array([True, False, True, False, True, False])
    result = accuracy(scores, mated, np.array([0, 0, 1, 1, 2, 2]))
    assert result.by_fold[0] == 0.5
    assert result.mean == pytest.approx(np.mean(result.by_fold))


def test_failures_stay_in_the_denominator_as_errors() -> None:
    scores = np.array([0.9, np.nan, 0.8, 0.1, np.nan, 0.2])
    result = accuracy(np.tile(scores, 2), np.tile(MATED, 2), np.repeat([0, 1], 6))
    assert result.mean == pytest.approx(4 / 6)
    # To a service a failure is a refusal: the right person is turned away, and no stranger gets in.
    rates = fnmr_at_fmr(scores, MATED, 0.4)
    assert rates.fnmr == pytest.approx(1 / 3)
    assert rates.fmr == pytest.approx(1 / 3)
    assert rates.threshold == pytest.approx(0.1)
    assert fnmr_at_fmr(scores, MATED, 0.0).fmr == 0


def test_the_false_match_rate_is_never_above_its_target() -> None:
    rng = np.random.default_rng(0)
    mated = np.repeat([True, False], 1000)
    scores = np.concatenate([rng.normal(0.6, 0.1, 1000), rng.normal(0.1, 0.1, 1000)]).round(2)
    for target in (0.0, 1e-3, 1e-2, 0.1):
        rates = fnmr_at_fmr(scores, mated, target)
        assert rates.fmr <= target
        assert rates.fnmr == np.mean(scores[:1000] < rates.threshold)
        # A step lower and the target is broken.
        lower = scores[(scores < rates.threshold) & ~mated].max()
        assert np.mean(scores[1000:] >= lower) > target


def test_the_standard_error_is_that_of_the_mean_over_the_folds() -> None:
    rng = np.random.default_rng(1)
    fold = np.repeat(np.arange(10), 60)
    mated = np.tile(np.repeat([True, False], 30), 10)
    scores = np.where(mated, 0.5, 0.2) + rng.normal(0, 0.2, 600)
    result = accuracy(scores, mated, fold)
    assert result.standard_error == pytest.approx(np.std(result.by_fold, ddof=1) / 10**0.5)


def test_the_det_curve_and_its_equal_error_rate() -> None:
    scores = np.array([0.9, 0.6, 0.4, 0.5, 0.2, np.nan])
    fmr, fnmr = det_curve(scores, MATED)
    # The refused stranger passes no threshold and is never gone from the denominator.
    np.testing.assert_allclose(fmr, [2 / 3, 1 / 3, 1 / 3, 0, 0, 0])
    np.testing.assert_allclose(fnmr, [0, 0, 1 / 3, 1 / 3, 2 / 3, 1])
    assert equal_error_rate(scores, MATED) == pytest.approx(1 / 3)


def test_nothing_but_failures_is_never_right_and_turns_everybody_away() -> None:
    scores = np.full(6, np.nan)
    assert accuracy(scores, MATED, np.array([0, 0, 1, 0, 1, 1])).mean == 0
    rates = fnmr_at_fmr(scores, MATED, 0.01)
    assert (rates.fmr, rates.fnmr) == (0, 1)


def test_a_list_of_one_fold_has_no_standard_error() -> None:
    result = accuracy(np.array([0.9, 0.8, 0.7, 0.3, 0.2, 0.1]), MATED, np.zeros(6, dtype=int))
    assert result.mean == 1
    assert np.isnan(result.standard_error)
