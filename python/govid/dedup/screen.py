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

# Zeros change no cosine, and rows that end within a SIMD register are slow: a quarter of the speed at 129.
_MULTIPLE = 32
_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Codes:
    """rows: (n, dimension rounded up) int8; angle: the largest of an embedding to its codes, in radians."""

    rows: NDArray[np.int8]
    angle: float


def codes(embeddings: NDArray[np.float32]) -> Codes:
    """The codes of (n, dimension) float32 embeddings."""
    count, dimension = embeddings.shape
    rows = np.zeros((count, -(-dimension // _MULTIPLE) * _MULTIPLE), dtype=np.int8)
    angle = 0.0
    for start in range(0, count, _ROWS):
        some = embeddings[start : start + _ROWS]
        rows[start : start + _ROWS, :dimension] = coded = _core.quantize(some)
        # Half the chord between unit vectors is the sine of half the angle, without a loss of digits near 0.
        chord = np.linalg.norm(_unit(some) - _unit(coded), axis=1).max()
        angle = max(angle, 2 * math.asin(min(1.0, float(chord) / 2)))
    return Codes(rows, angle)


def loosened(threshold: float, dimension: int, one: Codes, other: Codes) -> float:
    """The score that the codes of each pair reach whose embeddings reach ``threshold`` in float32."""
    rounding = (
        dimension / 4 + 10
    ) * 6e-8  # of float32 sums (``_core.cosine_block``), and of the codes' score
    apart = math.acos(max(-1.0, threshold - rounding)) + one.angle + other.angle
    return math.cos(min(math.pi, apart)) - rounding


def _unit(rows: NDArray[np.float32] | NDArray[np.int8]) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return exact
