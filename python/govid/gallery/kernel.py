"""The ``k`` best rows of a block for each probe, by the core."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from govid import _core

_SCORES = 1 << 24
"""Most scores that are held at once: 64 MB."""


def nearest(
    probes: NDArray[np.float32], references: NDArray[np.float32], k: int, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Rows and scores, (p, k) each and best first; -1 and any score where fewer reach the threshold."""
    return _nearest(_core.cosine_block, probes, references, k, threshold)


def nearest_int8(
    probes: NDArray[np.int8], references: NDArray[np.int8], k: int, threshold: float
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The same by int8 codes."""
    return _nearest(_core.cosine_block_int8, probes, references, k, threshold)


def _nearest(compare, probes, references, k, threshold):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
    rows = np.full((len(probes), k), -1, np.int64)
    best = np.zeros((len(probes), k), np.float32)
    few = max(1, _SCORES // max(1, len(references)))
    for start in range(0, len(probes), few):
        if few >= 1 and len(probes[start : start + few]) == 1:
            many = _core.cosine_many if probes.dtype == np.float32 else _core.cosine_many_int8
            scores = many(probes[start], references)[None]
        else:
            scores = compare(probes[start : start + few], references)
        kept = min(k, len(references))
        order = np.argpartition(scores, scores.shape[1] - kept, axis=1)[:, scores.shape[1] - kept :]
        order = np.take_along_axis(order, np.argsort(-np.take_along_axis(scores, order, 1), axis=1), 1)
        mine = np.take_along_axis(scores, order, 1)
        rows[start : start + few, :kept] = np.where(mine >= threshold, order, -1)
        best[start : start + few, :kept] = mine
    return rows, best
