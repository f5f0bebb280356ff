"""Curves small enough to draw and to keep in a JSON file."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lfw_eval.results import Curve, Histogram

_POINTS = 400
_COLUMNS = 80


def thinned(fmr: NDArray[np.floating], fnmr: NDArray[np.floating]) -> Curve:
    """A DET curve of at most some hundred points: its corners, spread over both logarithms.

    Args:
        fmr: (n,) never rising, fnmr: (n,) never falling.
    """
    changes = np.flatnonzero(np.append(True, (np.diff(fmr) != 0) | (np.diff(fnmr) != 0)))
    fmr, fnmr = fmr[changes], fnmr[changes]
    if len(fmr) > _POINTS:
        way = np.log10(np.maximum(fnmr, 1e-7)) - np.log10(np.maximum(fmr, 1e-9))
        picked = np.searchsorted(way, np.linspace(way[0], way[-1], _POINTS - 1))
        keep = np.unique(np.append(picked.clip(0, len(way) - 1), len(way) - 1))
        fmr, fnmr = fmr[keep], fnmr[keep]
    return Curve(fmr=tuple(map(_short, fmr)), fnmr=tuple(map(_short, fnmr)))


def score_histogram(
    mated: NDArray[np.integer], non_mated: NDArray[np.integer], *, start: float, width: float
) -> Histogram:
    """Few columns from many fine bins, over the range where there are scores."""
    used = np.flatnonzero(mated + non_mated)
    first, last = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 1)
    step = max(1, -(-(last - first) // _COLUMNS))
    cuts = np.arange(first, last, step)
    return Histogram(
        start=start + first * width,
        width=step * width,
        mated=tuple(int(n) for n in np.add.reduceat(mated[:last], cuts)),
        non_mated=tuple(int(n) for n in np.add.reduceat(non_mated[:last], cuts)),
    )


def histogram_of(scores: NDArray[np.floating], mated: NDArray[np.bool_]) -> Histogram:
    """The histogram of the scores that are numbers."""
    bins = 2000
    place = ((scores + 1) * (bins / 2)).clip(0, bins - 1)
    known = np.isfinite(scores)
    of_mates, of_strangers = (
        np.bincount(place[known & flags].astype(np.int64), minlength=bins) for flags in (mated, ~mated)
    )
    return score_histogram(of_mates, of_strangers, start=-1.0, width=2 / bins)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
