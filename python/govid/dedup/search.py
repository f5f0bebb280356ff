"""All pairs above a threshold, by the core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govid import _core

_TILE = 256


class TooManyPairs(Exception):
    """More pairs reach the threshold than the caller wants at once."""


def above(
    probes: NDArray[np.float32], references: NDArray[np.float32], threshold: float, limit: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Rows of probes and of references whose comparison score is >= ``threshold``, and the scores.

    Args:
        probes: (p, dimension) float32 of unit norm.
        references: (n, dimension) float32 of unit norm.

    Raises:
        TooManyPairs: there are more than ``limit``.
    """
    parts = []
    found = 0
    for start in range(0, len(probes), _TILE):
        scores = _core.cosine_block(probes[start : start + _TILE], references)
        i, j = np.nonzero(scores >= threshold)
        found += len(i)
        if found > limit:
            raise TooManyPairs
        parts.append((i + start, j, scores[i, j]))
    i, j, scores = (np.concatenate(column) for column in zip(*parts, strict=True))
    return i, j, scores
