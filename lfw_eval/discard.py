"""Error versus discard (ISO/IEC 29794-1): does leaving out the worst samples leave fewer errors?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfw_eval.results import Discard

STEPS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.125, 0.15, 0.175, 0.2)
_RANDOM_CHOICES = 2000


def discard_curve(
    measure: str, quality: NDArray[np.floating], scores: NDArray[np.floating], threshold: float
) -> Discard:
    """FNMR at a fixed threshold of what is left, against leaving out as many at random.

    Args:
        quality: (n,) the lower value of the two samples of each mated comparison; NaN where a sample has
            none. Those are never discarded: a failure to acquire stays an error.
        scores: (n,) comparison scores; NaN after a failure.
    """
    missed = ~(scores >= threshold)
    known = np.flatnonzero(np.isfinite(quality))
    # Values are whole numbers with many ties: which of equals goes first is left to chance, not to names.
    rng = np.random.default_rng(0)
    shuffled = rng.permutation(known)
    order = shuffled[np.argsort(quality[shuffled], kind="stable")]
    errors, total = int(missed.sum()), len(missed)
    candidates = int(missed[known].sum())
    fnmr, low, high = [], [], []
    for step in STEPS:
        gone = int(step * len(known))
        left = max(1, total - gone)
        fnmr.append((errors - int(missed[order[:gone]].sum())) / left)
        by_chance = rng.hypergeometric(candidates, len(known) - candidates, gone, size=_RANDOM_CHOICES)
        bounds = np.percentile((errors - by_chance) / left, [2.5, 97.5])
        low.append(float(bounds[0]))
        high.append(float(bounds[1]))
    return Discard(
        measure=measure,
        threshold=threshold,
        discarded=STEPS,
        fnmr=tuple(fnmr),
        random_low=tuple(low),
        random_high=tuple(high),
        helps=fnmr[-1] < low[-1],
    )
