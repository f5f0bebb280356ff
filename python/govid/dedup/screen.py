"""Int8 codes that find every pair above a threshold, and some below it that are then compared exactly.

Codes point almost where their embedding does. The angle between two directions is a metric: if a and b are at
most t apart, their codes are at most t + angle(a, codes of a) + angle(b, codes of b) apart, and a search for
codes that near misses no pair. What it finds is compared in float32: pairs and scores are those of float32.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.codes import distances

# Zeros change no cosine, and rows that end within a SIMD register are slower: 0.82 of the speed at 129.
_MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class Codes:
    """rows: (n, dimension rounded up) int8; angle: the largest of an embedding to its codes, in radians."""

    rows: NDArray[np.int8]
    angle: float


def codes(embeddings: NDArray[np.float32]) -> Codes:
    """The codes of (n, dimension) float32 embeddings."""
    count, dimension = embeddings.shape
    rows = np.zeros((count, -(-dimension // _MULTIPLE) * _MULTIPLE), dtype=np.int8)
    rows[:, :dimension] = coded = _core.quantize(embeddings)
    # Half the chord between unit vectors is the sine of half the angle, without a loss of digits near 0.
    chord = float(distances(embeddings, coded).max(initial=0.0))
    return Codes(rows, 2 * math.asin(min(1.0, chord / 2)))


def loosened(threshold: float, dimension: int, one: Codes, other: Codes) -> float:
    """The score that the codes of each pair reach whose embeddings reach ``threshold`` in float32."""
    rounding = (
        dimension / 4 + 10
    ) * 6e-8  # of float32 sums (``_core.cosine_block``), and of the codes' score
    apart = math.acos(max(-1.0, threshold - rounding)) + one.angle + other.angle
    return math.cos(min(math.pi, apart)) - rounding
