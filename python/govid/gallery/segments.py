"""How references lie in memory: sealed segments that never change, and one tail that grows.

Searches take no lock while they compare. That is safe because a row is written before it is published and
never again: the tail only shows rows that are whole, a sealed segment is replaced and not rewritten, and a
removal only clears a flag. ``repacked`` leaves out what was removed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SEGMENT_ROWS = 1 << 16
"""Rows of a full segment: 34 MB of float32 of 128 dimensions, a few milliseconds of search."""


@dataclass(slots=True, eq=False)
class Segment:
    """References that are searched together; only ``alive`` and ``dead`` change.

    ids: (n,) int64, ascending where sealed. vectors: (n, dimension) float32 of unit norm, or mapped ones.
    alive: (n,) bool. dead: how many are not. codes: (n, dimension) int8, see ``int8.py``, or None.
    error: the greatest distance of a row from the direction of its codes.
    """

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    alive: NDArray[np.bool_]
    dead: int = 0
    codes: NDArray[np.int8] | None = None
    error: float = 0.0

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def live(self) -> int:
        """How many references it holds."""
        return len(self.ids) - self.dead

    @property
    def memory_bytes(self) -> int:
        """Without what is mapped from disk."""
        mapped = isinstance(self.vectors, np.memmap)
        kept = (self.ids, self.alive, None if mapped else self.vectors, self.codes)
        return sum(array.nbytes for array in kept if array is not None)

    def rows_of(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of those ids that are here and alive; of a sealed segment. ``ids`` is ascending."""
        first, last = np.searchsorted(ids, self.ids[0]), np.searchsorted(ids, self.ids[-1], side="right")
        if first == last:
            return np.empty(0, np.int64)
        ids = ids[first:last]
        rows = np.searchsorted(self.ids, ids)
        here: NDArray[np.int64] = rows[(self.ids[rows] == ids) & self.alive[rows]]
        return here

    def remove(self, rows: NDArray[np.int64]) -> None:
        """Mark rows as removed."""
        self.alive[rows] = False
        self.dead = len(self) - int(np.count_nonzero(self.alive))


class Part(NamedTuple):
    """A segment and the number of its first row, counted through all segments of a view."""

    start: int
    segment: Segment


def numbered(segments: Iterable[Segment]) -> list[Part]:
    """The segments with the numbers of their first rows."""
    parts, start = [], 0
    for segment in segments:
        parts.append(Part(start, segment))
        start += len(segment)
    return parts


@dataclass(slots=True)
class Tail:
    """The segment that grows. One writer at a time."""

    ids: NDArray[np.int64]
    vectors: NDArray[np.float32]
    alive: NDArray[np.bool_]
    count: int = 0
    row_of: dict[int, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, dimension: int, rows: int) -> Tail:
        """Room for ``rows`` references; the system gives memory only to what is written."""
        vectors = np.empty((rows, dimension), np.float32)
        return cls(np.empty(rows, np.int64), vectors, np.zeros(rows, np.bool_))

    @property
    def room(self) -> int:
        return len(self.ids) - self.count

    def add(self, ids: NDArray[np.int64], vectors: NDArray[np.float32]) -> None:
        """Append rows for which there is room; ``count`` shows them once they are whole."""
        end = self.count + len(ids)
        self.ids[self.count : end] = ids
        self.vectors[self.count : end] = vectors
        self.alive[self.count : end] = True
        self.row_of.update(zip(ids.tolist(), range(self.count, end), strict=True))
        self.count = end

    def remove(self, ids: Iterable[int]) -> None:
        """Remove those that are here."""
        for reference_id in ids:
            if (row := self.row_of.pop(reference_id, None)) is not None:
                self.alive[row] = False

    def view(self) -> Segment:
        """What a search may read now. Not sorted."""
        count = self.count
        return Segment(
            self.ids[:count], self.vectors[:count], self.alive[:count], dead=count - len(self.row_of)
        )


def sealed(tail: Segment, rows: int) -> Segment:
    """What a tail holds, sorted and without removed rows; may be empty."""
    if len(tail) == rows and not tail.dead and np.all(tail.ids[1:] > tail.ids[:-1]):
        return tail
    return _merged([tail], rows)[0]


def repacked(segments: Sequence[Segment], rows: int = SEGMENT_ROWS) -> Iterator[Segment]:
    """The living references of sealed segments. Full ones without a removal pass as they are."""
    waiting: list[Segment] = []
    held = 0
    for segment in segments:
        if not segment.dead and len(segment) == rows:
            yield segment
            continue
        waiting.append(segment)
        held += segment.live
        if held >= rows:
            *full, rest = _merged(waiting, rows)
            yield from full
            waiting, held = [rest], len(rest)
    if waiting:
        yield from (segment for segment in _merged(waiting, rows) if len(segment))


def _merged(segments: Sequence[Segment], rows: int) -> list[Segment]:
    """The living references of all, by ascending id, in segments of which the last may be short or empty."""
    # Copied, because a removal may come while this runs, and ids must not part from their vectors.
    alive = [segment.alive.copy() for segment in segments]
    ids = np.concatenate([s.ids[a] for s, a in zip(segments, alive, strict=True)])
    vectors = np.concatenate([s.vectors[a] for s, a in zip(segments, alive, strict=True)])
    if np.any(ids[1:] < ids[:-1]):
        order = np.argsort(ids, kind="stable")
        ids, vectors = ids[order], vectors[order]
    # Copied again, so that a small rest does not hold all of it.
    cuts = [slice(start, start + rows) for start in range(0, len(ids) + 1, rows)]
    return [Segment(ids[c].copy(), vectors[c].copy(), np.ones(len(ids[c]), np.bool_)) for c in cuts]
