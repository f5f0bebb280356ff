"""One probe against N rows: the ten nearest, exactly."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from benchmarks.blocks import NEAREST, Block, blocks
from benchmarks.harness import Call, Contender, Options, compare, main
from benchmarks.peers import peer
from benchmarks.results import Table
from govid import _core
from govid.gallery import Hit, parallel
from govid.gallery.choose import Rules
from govid.gallery.tiered import TieredGallery

_TEN = "then the ten best by numpy argpartition"


def claim(options: Options) -> list[Table]:
    """The ten nearest of one probe, for each size of block. A contender is one line."""
    faiss.omp_set_num_threads(1)
    parallel.CORES = 1
    return [_table(options, block) for block in blocks(options)]


def _table(options: Options, block: Block) -> Table:
    rows, probe = block.rows, block.probe
    out = np.empty(len(rows), dtype=np.float32)
    reader = partial(Contender, work=rows.nbytes)
    small = partial(Contender, work=rows.size)
    contenders = [
        reader("govid gallery", "tier exact", lambda: _gallery(block), _ids),
        reader("govid cosine_many", _TEN, lambda: _ten_best(partial(_core.cosine_many, probe, rows, out))),
        reader("numpy @", _TEN, lambda: _ten_best(partial(np.matmul, rows, probe, out=out))),
        reader("FAISS", "IndexFlatIP", lambda: _faiss(block, faiss.IndexFlatIP(rows.shape[1])), _rows),
        reader("usearch", "exact search", lambda: _usearch(rows, probe), _keys),
        small("FAISS int8", "QT_8bit_direct_signed", lambda: _faiss(_int8(block), _eight_bit(block)), _rows),
        small("usearch int8", "exact search", lambda: _usearch(*_as_int8(block)), _keys),
    ]
    return compare(
        f"search_{block.name}",
        f"The {NEAREST} nearest of {block.title}, exact search",
        "ms",
        contenders,
        lambda _, found: tuple(int(place) for place in found) == block.nearest,
        options.pace,
        rate="GB/s",
    )


def _ten_best(scores: Call) -> Call:
    def best() -> NDArray[np.intp]:
        found = scores()
        ten = np.argpartition(found, -NEAREST)[-NEAREST:]
        return ten[np.argsort(-found[ten])]

    return partial(best)


def _gallery(block: Block) -> Call:
    # No memory runs short here: the folder is not used.
    rules = Rules("exact", sys.maxsize, 1.0, lambda _: 0.0)
    gallery = TieredGallery(block.rows.shape[1], "benchmark", rules, Path())
    gallery.add(range(len(block.rows)), block.rows)
    return partial(gallery.search, block.probe[None], NEAREST)


def _ids(found: list[list[Hit]]) -> list[int]:
    return [hit.reference_id for hit in found[0]]


def _faiss(block: Block, index: Any) -> Call:  # noqa: ANN401 - modules without stubs
    index.add(block.rows)
    return partial(index.search, block.probe[None], NEAREST)


def _rows(found: Any) -> Any:  # noqa: ANN401
    return found[1][0]


def _eight_bit(block: Block) -> Any:  # noqa: ANN401
    kind = faiss.ScalarQuantizer.QT_8bit_direct_signed
    return faiss.IndexScalarQuantizer(block.rows.shape[1], kind, faiss.METRIC_INNER_PRODUCT)


def _usearch(rows: Any, probe: Any) -> Call:  # noqa: ANN401
    module = peer("usearch.index")
    return partial(module.search, rows, probe, NEAREST, module.MetricKind.Cos, exact=True, threads=1)


def _keys(found: Any) -> Any:  # noqa: ANN401
    return found.keys


def _int8(block: Block) -> Block:
    """Whole numbers from -127 to 127, still float32: one scale for all, the largest value becomes 127."""
    rows, probe = (np.rint(part * (127 / np.abs(part).max())) for part in (block.rows, block.probe))
    return Block(rows, probe, block.nearest)


def _as_int8(block: Block) -> tuple[NDArray[np.int8], NDArray[np.int8]]:
    whole = _int8(block)
    return whole.rows.astype(np.int8), whole.probe.astype(np.int8)


if __name__ == "__main__":
    main(claim)
