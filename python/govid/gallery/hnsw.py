"""FAISS HNSW over eight-bit codes: a graph in which a search walks towards the probe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from govid.gallery import parallel
from govid.gallery.approximate import padded, training_sample
from govid.gallery.library import faiss
from govid.gallery.segments import Part

_LINKS = 32
"""Neighbours of a reference: face templates fill their dimensions, so that few ways lead to a mate."""
_BUILD_EFFORT = 128
_TRAINING = 65_536


def build(parts: Sequence[Part], dimension: int) -> Any:  # noqa: ANN401 - FAISS has no stubs
    """An index of FAISS whose labels are the numbers of the rows."""
    faiss.omp_set_num_threads(parallel.CORES)
    even = dimension + dimension % 2
    quantiser = faiss.ScalarQuantizer.QT_8bit
    index = faiss.IndexHNSWSQ(even, quantiser, _LINKS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = _BUILD_EFFORT
    index.train(training_sample(parts, _TRAINING))
    for part in parts:
        index.add(padded(part.segment.vectors))
    return index


def efforts(index: Any) -> Sequence[int]:  # noqa: ANN401, ARG001
    """Candidates that a walk keeps in hand."""
    return [128, 256, 512, 1024, 2048]


def prepare(index: Any) -> None:  # noqa: ANN401
    """Nothing: a search is one walk along the graph."""


def options(effort: int, selector: Any) -> Any:  # noqa: ANN401
    """Parameters of one search."""
    return faiss.SearchParametersHNSW(efSearch=effort, sel=selector)


def index_bytes(references: int, dimension: int) -> int:
    """Codes, links of four bytes (twice as many on the ground floor), and the levels."""
    return references * (dimension + dimension % 2 + 2 * _LINKS * 4 + 16)
