"""What the approximate tiers share: an index of FAISS over sealed segments, and candidates scored again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from govid.gallery import Probes, parallel
from govid.gallery.found import Found, best, rescored
from govid.gallery.library import faiss
from govid.gallery.segments import Part

_SPARE = 128
"""Candidates beyond 2 k: the codes of an index order strangers only roughly."""


class Method(Protocol):
    """What differs between the tiers; ``ivf`` and ``hnsw`` are modules of this shape."""

    def build(self, parts: Sequence[Part], dimension: int) -> Any:  # noqa: ANN401 - FAISS has no stubs
        """An index of FAISS whose labels are the numbers of the rows."""

    def efforts(self, index: Any) -> Sequence[int]:  # noqa: ANN401
        """How much of the index a search may look at, rising; the last is all that helps."""

    def prepare(self, index: Any) -> None:  # noqa: ANN401
        """Set what an index that was built or loaded needs to search well."""

    def options(self, effort: int, selector: Any) -> Any:  # noqa: ANN401
        """Parameters of a search by that effort, among the rows that the selector lets pass (None: all)."""

    def index_bytes(self, references: int, dimension: int) -> int:
        """Memory of an index."""


@dataclass(eq=False)
class Index:
    """One build: immutable but for the rows removed since."""

    method: Method
    faiss: Any
    parts: list[Part]
    effort: int
    _alive: NDArray[np.uint8] = field(init=False)

    def __post_init__(self) -> None:
        self.method.prepare(self.faiss)
        self._alive = bitmap(part.segment.alive for part in self.parts)

    @property
    def rows(self) -> int:
        """References it was built from."""
        return self.parts[-1].start + len(self.parts[-1].segment)

    @property
    def memory_bytes(self) -> int:
        """What the index itself takes, without the segments."""
        return self.method.index_bytes(self.rows, self.parts[0].segment.vectors.shape[1])

    def remove(self, ids: NDArray[np.int64]) -> None:
        """Let no later search find these. A search that runs may see each bit as it was or as it is."""
        for start, segment in self.parts:
            if len(rows := segment.rows_of(ids)):
                segment.remove(rows)
                rows += start
                np.bitwise_and.at(self._alive, rows >> 3, ~(1 << (rows & 7)).astype(np.uint8))

    def search(self, probes: Probes, k: int, *, among: NDArray[np.uint8] | None = None) -> Found:
        """About the ``k`` best for each probe, best first, by exact scores.

        Args:
            among: the rows a search is restricted to, as ``bitmap`` has them; those alive if left out.
        """
        if among is None and any(part.segment.dead for part in self.parts):
            among = self._alive
        selector = None if among is None else faiss.IDSelectorBitmap(among)
        options = self.method.options(self.effort, selector)
        shares = np.array_split(padded(probes), min(parallel.CORES, max(1, len(probes))))
        fetch = min(self.rows, 2 * k + _SPARE)

        def look(share: Probes) -> NDArray[np.int64]:
            # Several probes have a thread each, one alone has all of OpenMP's.
            faiss.omp_set_num_threads(1 if len(probes) > 1 else parallel.CORES)
            rows: NDArray[np.int64] = self.faiss.search(share, fetch, params=options)[1]
            return rows

        rows = np.concatenate(parallel.each(look, shares))
        return best([rescored(self.parts, probes, Found(rows, np.empty(rows.shape, np.float32)))], k)


def bitmap(flags: Iterable[NDArray[np.bool_]]) -> NDArray[np.uint8]:
    """One bit a row, as selectors of FAISS read them; ``flags`` is an array for each part."""
    return np.packbits(np.concatenate([*flags]), bitorder="little")


def padded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """With a zero at the end of each odd row: product quantisers want pairs, and no score changes."""
    if vectors.shape[1] % 2 == 0:
        return np.ascontiguousarray(vectors)
    return np.pad(vectors, ((0, 0), (0, 1)))


def training_sample(parts: Sequence[Part], most: int) -> NDArray[np.float32]:
    """At most that many vectors, spread evenly over all parts; always the same ones."""
    total = sum(len(part.segment) for part in parts)
    step = max(1, -(-total // most))
    return padded(np.concatenate([part.segment.vectors[-part.start % step :: step] for part in parts]))
