"""Accuracy by LFW's protocol, and the error rates of ISO/IEC 19795-1, from scores with failures kept.

A pair of which a photo gave no template has the score NaN, and no denominator ever shrinks for it. In
the accuracy it is an error whichever kind it is. In the rates it is what a service makes of it, a
refusal: a false
non-match of a mated pair, and no match of strangers (the generalised rates of ISO/IEC 19795-1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]
Flags = NDArray[np.bool_]


class Accuracy(NamedTuple):
    """Mean over the folds, as fractions; ``thresholds`` are those the folds were judged by."""

    mean: float
    standard_error: float
    by_fold: tuple[float, ...]
    thresholds: tuple[float, ...]


def with_failures_as_errors(scores: Scores, mated: Flags) -> NDArray[np.float64]:
    """NaN becomes the worst score there is: -inf for a mated pair, +inf for a non-mated one."""
    return np.where(np.isnan(scores), np.where(mated, -np.inf, np.inf), scores)


def with_failures_refused(scores: Scores) -> NDArray[np.float64]:
    """NaN becomes -inf: who was refused passes at no threshold."""
    return np.where(np.isnan(scores), -np.inf, scores)


def best_threshold(scores: Scores, mated: Flags) -> float:
    """The threshold with the fewest errors (MATCH if score >= threshold); the middle one of equals."""
    scores = with_failures_as_errors(scores, mated)
    order = np.argsort(scores, kind="stable")
    ordered, is_mated = scores[order], mated[order]
    # A threshold below all, between neighbours, above all; errors of each: mated under it, others over.
    errors = np.concatenate([[0], np.cumsum(is_mated)]) + np.concatenate(
        [np.cumsum(~is_mated[::-1])[::-1], [0]]
    )
    # A cut between equal scores cannot be made.
    possible = np.concatenate([[True], ordered[1:] > ordered[:-1], [True]])
    best = np.flatnonzero(possible & (errors == errors[possible].min()))
    cut = int(best[len(best) // 2])
    below = ordered[cut - 1] if cut > 0 else -np.inf
    above = ordered[cut] if cut < len(ordered) else np.inf
    finite = ordered[np.isfinite(ordered)]
    if not len(finite):
        return 0.0  # nothing could be compared, and no threshold is better than another
    below = below if np.isfinite(below) else (above if np.isfinite(above) else finite.max()) - 1.0
    above = above if np.isfinite(above) else below + 1.0
    return float((below + above) / 2)


def accuracy(scores: Scores, mated: Flags, fold: NDArray[np.integer]) -> Accuracy:
    """View 2: each fold judged by the threshold of the nine others; standard error over the folds.

    A list of one fold has no others: its threshold is its own, and there is no standard error (NaN).
    """
    decided = with_failures_as_errors(scores, mated)
    numbers = np.unique(fold)
    by_fold, thresholds = [], []
    for number in numbers:
        inside = fold == number
        others = ~inside if len(numbers) > 1 else inside
        thresholds.append(best_threshold(scores[others], mated[others]))
        by_fold.append(float(np.mean((decided[inside] >= thresholds[-1]) == mated[inside])))
    error = np.std(by_fold, ddof=1) / np.sqrt(len(by_fold)) if len(by_fold) > 1 else np.nan
    return Accuracy(float(np.mean(by_fold)), float(error), tuple(by_fold), tuple(thresholds))


class ErrorRates(NamedTuple):
    """A point of the DET curve."""

    threshold: float
    fmr: float
    fnmr: float


def fnmr_at_fmr(scores: Scores, mated: Flags, target: float) -> ErrorRates:
    """The lowest threshold whose false match rate is at most ``target``, and its FNMR."""
    decided = with_failures_refused(scores)
    strangers = np.sort(decided[~mated])[::-1]
    allowed = int(np.floor(target * len(strangers) + 1e-9))
    # Just above the first stranger who may not pass any more.
    threshold = float(np.nextafter(strangers[allowed], np.inf)) if allowed < len(strangers) else -np.inf
    return ErrorRates(
        threshold, float(np.mean(strangers >= threshold)), float(np.mean(decided[mated] < threshold))
    )


def det_curve(scores: Scores, mated: Flags) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """FMR and FNMR at every threshold that changes one of them, from the loosest to the strictest.

    Returns:
        Two arrays of equal length: FMR falls from 1, FNMR rises to 1 (failures keep them off 1 and 0).
    """
    decided = with_failures_refused(scores)
    finite = np.unique(decided[np.isfinite(decided)])
    # Just above the last score nobody passes but the failures.
    thresholds = np.append(finite, np.nextafter(finite[-1], np.inf)) if len(finite) else np.zeros(1)
    strangers, mates = np.sort(decided[~mated]), np.sort(decided[mated])
    fmr = 1 - np.searchsorted(strangers, thresholds) / len(strangers)
    return fmr, np.searchsorted(mates, thresholds) / len(mates)


def equal_error_rate(scores: Scores, mated: Flags) -> float:
    """The rate where FMR and FNMR meet: their mean at the threshold where they are nearest."""
    fmr, fnmr = det_curve(scores, mated)
    nearest = int(np.argmin(np.abs(fmr - fnmr)))
    return float(fmr[nearest] + fnmr[nearest]) / 2
