"""Vectors on disk instead of in memory, read through the page cache, which the system takes back at will."""

from __future__ import annotations

import tempfile
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


def mapped(vectors: NDArray[np.float32], folder: Path) -> NDArray[np.float32]:
    """The same rows in a file without a name: whatever ends the process, no face stays behind.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(np.ascontiguousarray(vectors).data)
        file.flush()
        return np.memmap(file, np.float32, "r", shape=vectors.shape)


def space(shape: tuple[int, int], folder: Path) -> NDArray[np.float32]:
    """Room for such rows in a file like that, to be filled.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    if not prod(shape):
        return np.empty(shape, np.float32)
    with tempfile.TemporaryFile(dir=folder) as file:
        return np.memmap(file, np.float32, "w+", shape=shape)
