"""Search by int8 codes, a quarter of the bytes; the best candidates are scored again by the float32 vectors.

A score of codes differs from the exact one by ``<x - c, p> + <c, p - q>``, for a row x with the direction c
of its codes and a probe p with q: by at most ``|x - c| + |p - q|``, as all have unit norm. A row is given
up only where that is too little to reach the last place, so this tier finds what exact search finds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.codes import distances
from govid.gallery import Probes
from govid.gallery.found import Found, best, rescored
from govid.gallery.scan import scan
from govid.gallery.segments import Part, Segment

_ROUNDING = 1e-6
"""Of scores in float32; the core states 3e-7."""
_SPARE = 32


def _first_look(k: int) -> int:
    """Candidates that are enough for nearly all probes: a second look would read all codes once more.

    Of a million rows the slack takes in up to 45 for the best one and some 40 to 170 for the ten best; of
    400,000 up to 680 for a hundred.
    """
    return _SPARE + min(12 * k, 100 + 6 * k)


def coded(segment: Segment) -> Segment:
    """The segment with codes."""
    codes = _core.quantize(segment.vectors)
    return replace(segment, codes=codes, error=float(distances(segment.vectors, codes).max(initial=0.0)))


def search(parts: Sequence[Part], probes: Probes, k: int, threshold: float) -> Found:
    """The ``k`` best of the parts for each probe with a score >= ``threshold``, best first.

    Args:
        parts: segments with codes.
    """
    if not parts or not len(probes):
        return Found.nothing(len(probes))
    codes = _core.quantize(probes)
    error = distances(probes, codes) + max(part.segment.error for part in parts)
    slack = error + _ROUNDING
    total = sum(len(part.segment) for part in parts)
    found = Found(np.full((len(probes), k), -1), np.full((len(probes), k), np.float32(-2)))
    unsure, fetch = np.arange(len(probes)), min(total, _first_look(k))
    while len(unsure):
        mine = codes[unsure]
        lowest = threshold - float(slack[unsure].max())
        first = scan(
            parts,
            len(mine),
            mine.shape[1],
            fetch,
            lambda segment, fetch: _core.nearest_int8(mine, _codes(segment), fetch, lowest),  # noqa: B023
        )
        exact = best([rescored(parts, probes[unsure], first)], k)
        width = exact.rows.shape[1]
        found.rows[unsure, :width], found.scores[unsure, :width] = exact
        if fetch >= total or first.rows.shape[1] < fetch:
            break
        # Whatever was not fetched has at most the last fetched score, give or take the slack.
        worst = np.maximum(exact.scores[:, -1], threshold)
        open_end = (first.rows[:, -1] >= 0) & (first.scores[:, -1] + slack[unsure] >= worst)
        unsure, fetch = unsure[open_end], min(total, 4 * fetch)
    return found


def _codes(segment: Segment) -> NDArray[np.int8]:
    assert segment.codes is not None
    return segment.codes
