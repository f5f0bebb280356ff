"""95 % intervals by resampling people, because the comparisons of one person are no independent evidence.

A replicate draws as many people as there are, with replacement. A mated comparison counts as often as its
person was drawn, a non-mated one as often as the product of both (the subsets bootstrap of ISO/IEC 19795-1
and of Bolle et al. 2004; Owen 2007 shows that the product errs on the side of width). The thresholds of the
folds stay; a threshold that is read at a false match rate is read anew in each replicate.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lfw_eval.metrics import Flags, Scores, with_failures_as_errors, with_failures_refused

Times: TypeAlias = NDArray[np.float32]
"""How often each comparison counts in each replicate: (replicates, comparisons)."""

REPLICATES = 1000
SEED = 20071
_MOST_WEIGHTS = 2_000_000  # 8 MB a block
_RULE_OF_THREE = 3.0  # -ln(0.05): with no error in n trials, 3/n is the 95 % upper bound


class Interval(NamedTuple):
    """Bounds of a 95 % interval."""

    low: float
    high: float


def resampled(
    people: list[tuple[str, str]],
    statistics: Callable[[Times], NDArray[np.float64]],
    *,
    replicates: int = REPLICATES,
    seed: int = SEED,
) -> NDArray[np.float64]:
    """Statistics of each replicate, in blocks of bounded memory. The same people are drawn for one seed.

    Args:
        people: the two people of each comparison, twice the same in a mated one.
        statistics: from (block, comparisons) weights to (statistics, block) values.

    Returns:
        (statistics, replicates) float64.
    """
    names = {name: number for number, name in enumerate(sorted({name for pair in people for name in pair}))}
    count = len(names)
    first = np.array([names[one] for one, _ in people])
    second = np.array([names[other] for _, other in people])
    rng = np.random.default_rng(seed)
    block = max(1, min(replicates, _MOST_WEIGHTS // max(1, len(people))))
    parts = []
    for start in range(0, replicates, block):
        size = min(block, replicates - start)
        times = rng.multinomial(count, np.full(count, 1 / count), size=size).astype(np.float32)
        parts.append(
            statistics(np.where(first == second, times[:, first], times[:, first] * times[:, second]))
        )
    return np.concatenate(parts, axis=1)


def interval(replicates: NDArray[np.floating]) -> Interval:
    """The middle 95 % of the replicates; those that drew no comparison at all say nothing."""
    low, high = np.nanpercentile(replicates, [2.5, 97.5])
    return Interval(float(low), float(high))


def widened(bounds: Interval, estimate: float, people: int) -> Interval:
    """Replicates of no error have no error: there the rule of three over the people gives the bound."""
    if estimate == 0:
        return Interval(0.0, min(1.0, max(bounds.high, _RULE_OF_THREE / max(1, people))))
    return bounds


def accuracies(
    scores: Scores, mated: Flags, threshold: NDArray[np.floating], times: Times
) -> NDArray[np.float64]:
    """Accuracy of each replicate, every comparison judged by the threshold of its fold: (replicates,)."""
    right = (with_failures_as_errors(scores, mated) >= threshold) == mated
    return _share(times, right)


def fnmrs_at_fmr(scores: Scores, mated: Flags, target: float, times: Times) -> NDArray[np.float64]:
    """FNMR of each replicate at the lowest threshold that keeps its FMR at the target: (replicates,)."""
    decided = with_failures_refused(scores)
    strangers = np.flatnonzero(~mated)[np.argsort(-decided[~mated], kind="stable")]
    mates = np.flatnonzero(mated)[np.argsort(decided[mated], kind="stable")]
    passed = np.cumsum(times[:, strangers], axis=1, dtype=np.float64)
    missed = np.cumsum(times[:, mates], axis=1, dtype=np.float64)
    # The first stranger who may not pass any more; everybody up to that score is refused with him.
    allowed = (passed <= target * passed[:, -1:] + 1e-9).sum(axis=1)
    limits = np.append(decided[strangers], -np.inf)[allowed]
    refused = np.searchsorted(decided[mates], limits, side="right")
    counts = np.where(
        refused > 0, np.take_along_axis(missed, np.maximum(refused - 1, 0)[:, None], 1)[:, 0], 0
    )
    return _divided(counts, missed[:, -1])


def equal_error_rates(scores: Scores, mated: Flags, times: Times) -> NDArray[np.float64]:
    """Equal error rate of each replicate: (replicates,)."""
    order = np.argsort(with_failures_refused(scores), kind="stable")
    is_mated, times = mated[order], times[:, order]
    missed = np.cumsum(times * is_mated, axis=1, dtype=np.float64)
    refused = np.cumsum(times * ~is_mated, axis=1, dtype=np.float64)
    fnmr = _divided(missed, missed[:, -1:])
    fmr = 1 - _divided(refused, refused[:, -1:])
    nearest = np.abs(fmr - fnmr).argmin(axis=1)[:, None]
    result: NDArray[np.float64] = (
        np.take_along_axis(fmr, nearest, 1) + np.take_along_axis(fnmr, nearest, 1)
    )[:, 0] / 2
    return result


def _share(times: Times, flags: Flags) -> NDArray[np.float64]:
    return _divided(
        (times @ flags.astype(np.float32)).astype(np.float64), times.sum(axis=1, dtype=np.float64)
    )


def _divided(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(part / whole)
