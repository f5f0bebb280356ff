"""1:N: every active reference in memory, searched by one probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from govid.types import Embedding


class Hit(NamedTuple):
    """One reference found by a search."""

    reference_id: int
    score: float


class Gallery(Protocol):
    """An index of unit-norm embeddings. Safe to call from several threads."""

    def add(self, reference_ids: Sequence[int], embeddings: NDArray[np.float32]) -> None:
        """Add (n, dimension) float32 rows; an id that is present already is left as it is."""

    def remove(self, reference_ids: Sequence[int]) -> None:
        """Remove these ids; an unknown id is without effect."""

    def search(self, probe: Embedding, k: int) -> list[Hit]:
        """The up to ``k`` references with the highest comparison score, best first."""

    def __len__(self) -> int:
        """How many references are searchable."""
