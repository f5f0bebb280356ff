"""Int8 codes of embeddings: how far off they point bounds every error of a search by them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROWS = 2048


def distances(embeddings: NDArray[np.float32], codes: NDArray[np.int8]) -> NDArray[np.float64]:
    """(n,) distances of each embedding's direction from the direction of its codes.

    Args:
        embeddings: (n, dimension) float32, no row zero.
        codes: (n, dimension) int8, as ``_core.quantize`` makes them.
    """
    found = np.empty(len(embeddings))
    for start in range(0, len(embeddings), _ROWS):
        some = slice(start, start + _ROWS)
        found[some] = np.linalg.norm(_unit(embeddings[some]) - _unit(codes[some]), axis=1)
    return found


def _unit(rows: NDArray[np.float32] | NDArray[np.int8]) -> NDArray[np.float64]:
    exact = rows.astype(np.float64)
    exact /= np.linalg.norm(exact, axis=1, keepdims=True)
    return exact
