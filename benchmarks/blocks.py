"""Blocks of references for 1:N, with ten rows near the probe whose order is known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Options

Matrix = NDArray[np.float32]

# Larger than the caches of today's processors: 256 and 410 MB.
SIZES = ((500_000, 128), (200_000, 512))
_SMALL = ((20_000, 128), (10_000, 512))
NEAREST = 10


@dataclass(frozen=True, slots=True)
class Block:
    """Rows of norm 1, a probe of norm 1, and the rows nearest to it, best first."""

    rows: Matrix
    probe: NDArray[np.float32]
    nearest: tuple[int, ...]

    @property
    def title(self) -> str:
        return f"{len(self.rows):,} x {self.rows.shape[1]}"

    @property
    def name(self) -> str:
        """Of its tables; the same in a quick run."""
        return str(self.rows.shape[1])


def blocks(options: Options) -> list[Block]:
    """One block per dimension, too large for the caches unless the run is quick."""
    return [_block(*size) for size in (_SMALL if options.quick else SIZES)]


def _block(count: int, dimension: int) -> Block:
    random = np.random.default_rng(dimension)
    rows = random.standard_normal((count, dimension), dtype=np.float32)
    probe = random.standard_normal(dimension, dtype=np.float32)
    places = random.choice(count, NEAREST, replace=False)
    # Cosines to the probe of about 0.98 down to 0.7, far above chance and far enough apart for int8.
    for place, mixed in zip(places, np.linspace(0.2, 1.0, NEAREST), strict=True):
        rows[place] = probe + np.float32(mixed) * rows[place]
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    probe /= np.linalg.norm(probe)
    # The words above are approximate; the order is computed, in double precision.
    scores = rows[places].astype(np.float64) @ probe.astype(np.float64)
    return Block(rows, probe, tuple(int(place) for place in places[np.argsort(-scores)]))
