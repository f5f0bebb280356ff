from __future__ import annotations

import numpy as np
import pytest

from lfw_eval.discard import discard_curve


def test_a_measure_that_knows_the_errors_lowers_the_rate_and_an_ignorant_one_does_not() -> None:
    rng = np.random.default_rng(0)
    quality = rng.integers(0, 101, 2000).astype(float)
    scores = np.where(quality + rng.normal(0, 5, 2000) < 8, 0.1, 0.6)
    knowing = discard_curve("Sharpness", quality, scores, 0.3)
    ignorant = discard_curve("Colour", rng.permutation(quality), scores, 0.3)
    assert knowing.helps
    assert not ignorant.helps
    assert knowing.fnmr[0] == ignorant.fnmr[0] == pytest.approx(np.mean(scores < 0.3))
    assert knowing.fnmr[-1] < 0.01
    assert ignorant.random_low[-1] <= ignorant.fnmr[-1] <= ignorant.random_high[-1]


def test_a_failure_to_acquire_is_never_discarded() -> None:
    quality = np.array([np.nan, *range(99)], dtype=float)
    scores = np.array([np.nan, *[0.9] * 99])
    curve = discard_curve("Sharpness", quality, scores, 0.3)
    assert curve.fnmr[0] == pytest.approx(1 / 100)
    assert curve.fnmr[-1] == pytest.approx(1 / 81)


def test_equal_qualities_are_no_better_than_chance() -> None:
    scores = np.array([0.1] * 10 + [0.9] * 90)
    curve = discard_curve("Flat", np.full(100, 50.0), scores, 0.3)
    assert not curve.helps
    assert curve.fnmr[-1] > 0.05
