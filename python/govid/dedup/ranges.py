"""The templates of a range of references, read from the store and kept while memory lasts."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govid import template as codec
from govid.dedup.screen import Codes, codes
from govid.store import Store
from govid.store import dedup as rows
from govid.store.templates import opened
from govid.types import Template


@dataclass(frozen=True, slots=True)
class References:
    """Active references in the order in which they became active, each once.

    ids: (n,) int64 reference ids.
    subjects: (n,) subject ids.
    embeddings: (n, dimension) float32 of unit norm.
    other_model: how many more there are whose templates another model made.
    """

    ids: NDArray[np.int64]
    subjects: NDArray[np.object_]
    embeddings: NDArray[np.float32]
    other_model: int
    codes: Codes
    """Of the embeddings."""

    @property
    def nbytes(self) -> int:
        """Memory of the embeddings and codes."""
        return self.embeddings.nbytes + self.codes.rows.nbytes


class RangeReader:
    """Reads ranges; the most recently used ones stay, up to a number of bytes. Safe in several threads."""

    def __init__(
        self,
        store: Store,
        spans: Sequence[tuple[int, int]],
        model_id: str,
        dimension: int,
        fit: Callable[[Template], Template | None],
        *,
        cache_bytes: int,
    ) -> None:
        """Reads nothing yet.

        Args:
            spans: the changes of each range: behind the first up to the second.
            model_id, dimension: of the templates that are compared.
            fit: another model's template in that form, None if it cannot be had.
            cache_bytes: most bytes of templates to keep, beyond the range that was read last.
        """
        self._database, self._vault = store.database, store.vault
        self._spans = spans
        self._model_id = model_id
        self._dimension = dimension
        self._fit = fit
        self._kept: OrderedDict[int, References] = OrderedDict()
        self._room = cache_bytes
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> References:
        """One range.

        Raises:
            StoreUnavailable, SealBroken: the store does not answer, or a template in it is damaged.
        """
        with self._lock:
            if number in self._kept:
                self._kept.move_to_end(number)
                return self._kept[number]
        read = self._read(*self._spans[number])
        with self._lock:
            if number not in self._kept:
                self._kept[number] = read
                self._room -= read.nbytes
            while self._room < 0 and len(self._kept) > 1:
                self._room += self._kept.popitem(last=False)[1].nbytes
            return read

    def _read(self, after: int, last: int) -> References:
        subjects: dict[int, str] = {}
        packed: list[bytes] = []
        other_model = 0
        with self._database.reading() as connection:
            for row in rows.templates(connection, after, last):
                reference_id, subject_id = row[:2]
                if reference_id in subjects:
                    continue
                template = opened(self._vault, *row)
                fitted = template if template.model_id == self._model_id else self._fit(template)
                if fitted is None:
                    other_model += 1
                    continue
                subjects[reference_id] = subject_id
                packed.append(codec.pack(fitted))
        ids = np.array(list(subjects), dtype=np.int64)
        embeddings = codec.stored_many(packed, self._dimension, list(subjects))
        names = np.array(list(subjects.values()), dtype=object)
        return References(ids, names, embeddings, other_model, codes(embeddings))
