"""Synthetic templates that lie as real ones do, for galleries larger than any data set that may be used.

As measured on SFace's embeddings of LFW: a common direction (the mean has a norm of 0.47), around it people
with a variance of 0.53, around each person photos with one of 0.25, all but evenly in every dimension. So
the median of strangers' scores is 0.22, and that of mates 0.75.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

DIMENSION = 128
_MEAN, _PEOPLE, _PHOTOS = 0.47, 0.53, 0.25
_BLOCK = 1 << 16

Matrix = NDArray[np.float32]


def people(count: int, seed: int) -> Iterator[Matrix]:
    """Blocks of (up to 65,536, DIMENSION) float32: what each person looks like."""
    for start in range(0, count, _BLOCK):
        random = np.random.default_rng((seed, start))
        looks = random.standard_normal((min(_BLOCK, count - start), DIMENSION), dtype=np.float32)
        looks *= np.float32(np.sqrt(_PEOPLE / DIMENSION))
        looks[:, 0] += np.float32(_MEAN)
        yield looks


def photos(looks: Matrix, seed: int) -> Matrix:
    """A template of unit norm of one photo of each person."""
    noise = np.random.default_rng(seed).standard_normal(looks.shape, dtype=np.float32)
    made = looks + noise * np.float32(np.sqrt(_PHOTOS / DIMENSION))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made
