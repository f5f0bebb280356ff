"""Exact search by FAISS: every reference is compared, so nobody is missed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from govid.gallery import GalleryStats, Hit, Probes, Within
from govid.gallery.access import ReadersOrWriter


class FlatGallery:
    """``govid.gallery.Gallery`` as ``IndexIDMap2`` over ``IndexFlatIP``."""

    def __init__(self, dimension: int) -> None:
        self._index = faiss.IndexIDMap2(faiss.IndexFlatIP(dimension))
        self._known: set[int] = set()
        # FAISS allows searches side by side, but none beside an insert.
        self._access = ReadersOrWriter()

    def add(self, reference_ids: Sequence[int], embeddings: NDArray[np.float32]) -> None:
        with self._access.write():
            new = [row for row, reference_id in enumerate(reference_ids) if reference_id not in self._known]
            if new:
                ids = np.array([reference_ids[row] for row in new], dtype=np.int64)
                self._index.add_with_ids(np.ascontiguousarray(embeddings[new]), ids)
                self._known.update(ids.tolist())

    def remove(self, reference_ids: Sequence[int]) -> None:
        with self._access.write():
            gone = self._known.intersection(reference_ids)
            if gone:
                self._index.remove_ids(faiss.IDSelectorBatch(np.fromiter(gone, dtype=np.int64)))
                self._known -= gone

    def search(
        self, probes: Probes, k: int, *, threshold: float = -1.0, within: Within | None = None
    ) -> list[list[Hit]]:
        with self._access.read():
            k = min(k, len(self._known))
            if k == 0 or not len(probes):
                return [[] for _ in probes]
            options: Any = None
            if within is not None:
                options = faiss.SearchParameters()
                options.sel = faiss.IDSelectorBatch(within)
            scores, ids = self._index.search(probes, k, params=options)
        return [
            [Hit(int(i), float(s)) for i, s in zip(*row, strict=True) if i >= 0 and s >= threshold]
            for row in zip(ids, scores, strict=True)
        ]

    def range_search(
        self, probes: Probes, threshold: float, *, within: Within | None = None
    ) -> list[list[Hit]]:
        return self.search(probes, len(self._known), threshold=threshold, within=within)

    def snapshot(self, folder: Path, sequence: int) -> None:
        """Kept in memory only: the store fills it anew."""

    def load(self, folder: Path) -> int | None:  # noqa: ARG002
        return None

    def stats(self) -> GalleryStats:
        dimension, held = self._index.d, len(self._known)
        return GalleryStats(
            tier="exact", references=held, dimension=dimension, memory_bytes=held * dimension * 4
        )

    def close(self) -> None:
        """Nothing to release."""

    def __len__(self) -> int:
        return len(self._known)
