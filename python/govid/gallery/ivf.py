"""FAISS IVF: k-means cells, in them four bits for each pair of dimensions, scanned by shuffles in registers.

``IndexIVFPQFastScan`` instead of a scalar quantiser in the cells: face templates fill their dimensions almost
evenly, so a search must look into many cells, and these codes scan about five times as fast at a quarter of
the memory.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from govid.gallery import parallel
from govid.gallery.approximate import padded, training_sample
from govid.gallery.library import faiss
from govid.gallery.segments import Part

_PER_CELL = 64
"""Training vectors for each cell."""
_ROUNDS = 8
_OVERHEAD = 1.1
"""Lists grow by doubling and are cut afterwards; the blocks of 32 codes are not full."""


def cells(references: int) -> int:
    """How many: the power of two next to 1.5 sqrt(n)."""
    return 1 << max(4, round(math.log2(1.5 * math.sqrt(max(1, references)))))


def build(parts: Sequence[Part], dimension: int) -> Any:  # noqa: ANN401 - FAISS has no stubs
    """An index of FAISS whose labels are the numbers of the rows."""
    faiss.omp_set_num_threads(parallel.CORES)
    even = dimension + dimension % 2
    total = sum(len(part.segment) for part in parts)
    metric = faiss.METRIC_INNER_PRODUCT
    index = faiss.IndexIVFPQFastScan(faiss.IndexFlatIP(even), even, cells(total), even // 2, 4, metric)
    # Residuals would need a table of distances for each cell.
    index.by_residual = False
    index.cp.niter, index.cp.spherical = _ROUNDS, True
    index.cp.max_points_per_centroid = _PER_CELL
    index.train(training_sample(parts, _PER_CELL * index.nlist))
    for part in parts:
        index.add(padded(part.segment.vectors))
    return index


def efforts(index: Any) -> Sequence[int]:  # noqa: ANN401
    """Cells to look into."""
    steps = (index.nlist * 2 ** (-half / 2) for half in range(12, -1, -1))
    return list(dict.fromkeys(max(1, round(cells)) for cells in steps))


def prepare(index: Any) -> None:  # noqa: ANN401
    """Let a lone probe share its cells among threads; of itself FAISS uses one."""
    index.implem = 15


def options(effort: int, selector: Any) -> Any:  # noqa: ANN401
    """Parameters of one search."""
    return faiss.SearchParametersIVF(nprobe=effort, sel=selector)


def index_bytes(references: int, dimension: int) -> int:
    """Codes and row numbers, and the centres of the cells."""
    codes = -(-dimension // 4) + 8
    return int(references * codes * _OVERHEAD) + cells(references) * dimension * 4
