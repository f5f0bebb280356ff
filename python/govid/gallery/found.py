"""What a search found, for many probes at once: two matrices, so that numpy and not Python does the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from govid.gallery import Hit, Probes
from govid.gallery.segments import Part, Segment


class Found(NamedTuple):
    """Candidates of each probe, best first. ``rows`` count through all segments; -1: fewer were found.

    rows: (p, c) int64. scores: (p, c) float32, -2 where the row is -1.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]

    @classmethod
    def nothing(cls, probes: int) -> Found:
        """No candidate for any probe."""
        return cls(np.empty((probes, 0), np.int64), np.empty((probes, 0), np.float32))

    def reaching(self, threshold: float) -> Found:
        """Without those below the threshold, which is held against the scores in double precision."""
        return Found(np.where(self.scores >= np.float64(threshold), self.rows, -1), self.scores)


def best(found: Sequence[Found], k: int) -> Found:
    """The ``k`` best of all, best first; of equal scores the lower row."""
    rows = np.concatenate([part.rows for part in found], axis=1)
    scores = np.concatenate([part.scores for part in found], axis=1)
    if k < rows.shape[1]:
        # Sorting a few is cheap, sorting all is not.
        kept = np.argpartition(scores, rows.shape[1] - k, axis=1)[:, rows.shape[1] - k :]
        rows, scores = np.take_along_axis(rows, kept, 1), np.take_along_axis(scores, kept, 1)
    order = np.lexsort((rows, -scores), axis=1)
    return Found(np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1))


def rescored(parts: Sequence[Part], probes: Probes, found: Found) -> Found:
    """The same candidates with exact cosines of the float32 vectors, in no order.

    Args:
        parts: the segments that the rows count through, ascending.
    """
    scores = np.full(found.rows.shape, -2, np.float32)
    probe_of = np.broadcast_to(np.arange(len(probes))[:, None], found.rows.shape)
    for segment, rows, places in _by_segment(parts, found.rows):
        scores.flat[places] = np.einsum("ij,ij->i", probes[probe_of.flat[places]], segment.vectors[rows])
    return Found(found.rows, scores)


def hits(parts: Sequence[Part], found: Found) -> list[list[Hit]]:
    """The candidates of each probe under their ids."""
    ids = np.full(found.rows.shape, -1, np.int64)
    for segment, rows, places in _by_segment(parts, found.rows):
        ids.flat[places] = segment.ids[rows]
    return [
        [Hit(*pair) for pair in zip(mine[row >= 0].tolist(), scores[row >= 0].tolist(), strict=True)]
        for mine, row, scores in zip(ids, *found, strict=True)
    ]


def _by_segment(
    parts: Sequence[Part], rows: NDArray[np.int64]
) -> Iterator[tuple[Segment, NDArray[np.int64], NDArray[np.int64]]]:
    """Each segment with the rows of it that occur, ascending, and their places in the flat matrix."""
    places = np.flatnonzero(rows >= 0)
    # Ascending, because what is mapped from disk is read in its order then.
    places = places[np.argsort(rows.flat[places], kind="stable")]
    rows = rows.flat[places]
    bounds = [*np.searchsorted(rows, [part.start for part in parts]), len(rows)]
    for (start, segment), first, end in zip(parts, bounds[:-1], bounds[1:], strict=True):
        if first < end:
            yield segment, rows[first:end] - start, places[first:end]
