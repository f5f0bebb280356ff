"""Search within given references: few of them are compared one by one, many by the index with a selector."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.gallery import Probes, Within
from govid.gallery.approximate import Index, bitmap
from govid.gallery.found import Found, best
from govid.gallery.segments import Part, Segment

_FEW = 100_000
"""References that are compared in a few milliseconds, also where their vectors come from disk."""


def search(
    index: Index | None, loose: Sequence[Part], probes: Probes, k: int, threshold: float, within: Within
) -> Found:
    """The ``k`` best of ``within`` for each probe with a score >= ``threshold``, best first."""
    compared, found = [*loose], []
    if index is not None and len(within) <= _FEW:
        compared += index.parts
    elif index is not None:
        flags = (_flags(part.segment, within) for part in index.parts)
        found.append(index.search(probes, k, among=bitmap(flags)))
    found += [_compared(part, probes, k, threshold, within) for part in compared]
    return best(found or [Found.nothing(len(probes))], k)


def _compared(part: Part, probes: Probes, k: int, threshold: float, within: Within) -> Found:
    rows = np.flatnonzero(_flags(part.segment, within))
    if not len(rows):
        return Found.nothing(len(probes))
    places, scores = _core.nearest(probes, part.segment.vectors[rows], min(k, len(rows)), threshold)
    return Found(np.where(places >= 0, rows[places] + part.start, -1), scores)


def _flags(segment: Segment, within: Within) -> NDArray[np.bool_]:
    """Which rows are alive and meant."""
    return segment.alive & np.isin(segment.ids, within, assume_unique=True)
