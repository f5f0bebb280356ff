"""Exact search by FAISS: every reference is compared, so nobody is missed."""

from __future__ import annotations

from collections.abc import Sequence

import faiss
import numpy as np
from numpy.typing import NDArray

from govid.gallery import Hit
from govid.gallery.access import ReadersOrWriter
from govid.types import Embedding


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

    def search(self, probe: Embedding, k: int) -> list[Hit]:
        with self._access.read():
            k = min(k, len(self._known))
            if k == 0:
                return []
            scores, ids = self._index.search(probe[None], k)
        return [Hit(int(i), float(s)) for i, s in zip(ids[0], scores[0], strict=True) if i >= 0]

    def __len__(self) -> int:
        return len(self._known)
