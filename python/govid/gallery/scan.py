"""Every reference of some segments compared, by all cores: what the exact and the int8 tier share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from govid.gallery import parallel
from govid.gallery.found import Found, best
from govid.gallery.segments import Part, Segment

Nearest: TypeAlias = Callable[[Segment, int], tuple[NDArray[np.int64], NDArray[np.float32]]]
"""A segment and k -> its k best rows for each probe, and their scores, as ``_core.nearest`` has them."""

_SMALL = 1 << 21
"""Comparisons of one number below which a second thread costs more than it brings."""


def scan(parts: Sequence[Part], probes: int, dimension: int, k: int, nearest: Nearest) -> Found:
    """The ``k`` best living rows of all parts for each probe."""
    if not parts:
        return Found.nothing(probes)
    rows = sum(len(part.segment) for part in parts)
    shares = 1 if rows * dimension * probes < _SMALL else min(parallel.CORES, len(parts))
    per_share = -(-rows // shares)
    groups: list[list[Part]] = [[] for _ in range(shares)]
    first = parts[0].start
    for part in parts:
        groups[min((part.start - first) // per_share, shares - 1)].append(part)
    found = parallel.each(
        lambda group: best([_living(part, k, nearest) for part in group], k), [g for g in groups if g]
    )
    return best(found, k)


def _living(part: Part, k: int, nearest: Nearest) -> Found:
    """The best rows of one segment, without those removed, of which there may be many among the best."""
    segment = part.segment
    length = len(segment)
    fetch = min(length, k + min(segment.dead, k + 16))
    while True:
        rows, scores = nearest(segment, fetch)
        kept = (rows >= 0) & segment.alive[rows]
        # A probe lacks nothing if it has k rows, or if the last place is empty: nothing else reached it.
        if fetch == length or np.all((kept.sum(axis=1) >= k) | (rows[:, -1] < 0)):
            return Found(np.where(kept, rows + part.start, -1), np.where(kept, scores, np.float32(-2)))
        fetch = min(length, 4 * fetch)
