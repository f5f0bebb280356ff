"""1:N: every active reference, searched by one probe or by many.

A gallery is a copy that can be lost: the record store is the truth, and ``follower.py`` keeps the copy in
step with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, NamedTuple, Protocol, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from govid.types import EPOCH, Seconds

Probes: TypeAlias = NDArray[np.float32]
"""(p, dimension) float32 of unit L2 norm, C-contiguous; p may be 0."""

Within: TypeAlias = NDArray[np.int64]
"""Reference ids that a search is restricted to, ascending and without repetition."""


class Hit(NamedTuple):
    """One reference found by a search. ``score`` is the exact cosine of the float32 embeddings."""

    reference_id: int
    score: float


class Recall(msgspec.Struct, frozen=True, kw_only=True):
    """How many of the mates that an exact search finds a gallery finds, measured on a sample of probes.

    Only mates count: who comes second among strangers decides nothing.
    """

    probes: Annotated[int, Meta(description="Mated probes of the sample")]
    recall_at_1: Annotated[float, Meta(description="Of the mates exact search puts first, those put first")]
    recall_at_10: Annotated[float, Meta(description="The same among the first ten")]
    fnir: Annotated[
        float, Meta(description="Of the mates above the threshold, those not among the first ten")
    ]
    threshold: float


class GalleryStats(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wants to know of a gallery."""

    tier: str
    references: int
    dimension: int
    memory_bytes: int
    disk_bytes: int = 0
    pending: Annotated[
        int, Meta(description="References that are searched exactly beside the index until the next build")
    ] = 0
    building: bool = False
    built_at: Seconds | None = None
    build_seconds: float = 0.0
    recall: Annotated[Recall | None, Meta(description="null: every reference is compared")] = None
    refused: Annotated[str, Meta(description="Why the index of the last build does not serve")] = ""
    snapshot_at: Annotated[
        Seconds | None,
        Meta(description=f"{EPOCH}; null: there is none"),
    ] = None
    snapshot_sequence: Annotated[
        int | None, Meta(description="Change of the store at which the snapshot stands")
    ] = None


class Gallery(Protocol):
    """An index of unit-norm embeddings. Safe to call from several threads.

    Any method raises GalleryUnavailable if the gallery's engine cannot be reached.
    """

    def add(self, reference_ids: Sequence[int], embeddings: NDArray[np.float32]) -> None:
        """Add (n, dimension) float32 rows; an id that is present already is left as it is."""

    def remove(self, reference_ids: Sequence[int]) -> None:
        """Remove these ids, at once for every later search; an unknown id is without effect."""

    def search(
        self, probes: Probes, k: int, *, threshold: float = -1.0, within: Within | None = None
    ) -> list[list[Hit]]:
        """For each probe the up to ``k`` references with the highest scores >= ``threshold``, best first."""

    def range_search(
        self, probes: Probes, threshold: float, *, within: Within | None = None
    ) -> list[list[Hit]]:
        """For each probe all references with a score >= ``threshold``, best first."""

    def settle(self) -> None:
        """All references of the store are in: build what is due, and from now on in the background."""

    def snapshot(self, folder: Path, sequence: int, head: Callable[[], tuple[int, str]]) -> None:
        """Write the gallery as it stands at that change of the store or later, whole or not at all.

        Args:
            head: id and digest of the store's newest audit row. Asked once it is settled what is written, so
                that no change in it is younger.

        Raises:
            OSError: the disk is full or cannot be written; an older snapshot stays.
        """

    def load(self, folder: Path, holds: Callable[[int, str], bool]) -> int | None:
        """Fill an empty gallery from a snapshot.

        Args:
            holds: whether the store has the audit row of that id and digest: a snapshot with another history
                is refused.

        Returns:
            The change it stands at, None without a sound snapshot.
        """

    def stats(self) -> GalleryStats:
        """What it holds, what it costs and how well it finds."""

    def ping(self) -> None:
        """Return if a search can be answered now."""

    def close(self) -> None:
        """Release files, threads and connections."""

    def __len__(self) -> int:
        """How many references are searchable."""
