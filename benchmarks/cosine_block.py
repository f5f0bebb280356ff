"""Many probes against N rows, as a search for duplicates asks: all scores of 64 probes at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import faiss
import numpy as np

from benchmarks.blocks import NEAREST, Block, Matrix, blocks
from benchmarks.harness import Call, Contender, Options, Pace, compare, main
from benchmarks.peers import peer
from benchmarks.results import Table
from govid import _core

PROBES = 64
_TOLERANCE = 1e-5
_CODES_TOLERANCE = 0.01
_DIVIDES = "divides by the norms"
_SIDE = 512
_CEILING = f"numpy @ of {_SIDE} x {_SIDE}, in the cache: about what the arithmetic of one thread gives"
# Every so many rows are held against double precision: all of them would take longer than the measurement.
_STEP = 97


def claim(options: Options) -> list[Table]:
    """All scores of a block of probes, for each size of block. A contender is one line."""
    faiss.omp_set_num_threads(1)
    return [_table(options, block) for block in blocks(options)]


def _table(options: Options, block: Block) -> Table:
    rows = block.rows
    # The block's own probe comes first: its neighbours are known.
    probes = np.concatenate([block.probe[None], rows[: PROBES - 1]])
    out = np.empty((PROBES, len(rows)), dtype=np.float32)
    exact = probes.astype(np.float64) @ rows[::_STEP].astype(np.float64).T

    def right(scores: Any) -> bool:  # noqa: ANN401
        return bool(np.abs(scores[:, ::_STEP] - exact).max() < _TOLERANCE)

    def turned(distances: Any) -> bool:  # noqa: ANN401
        return right(1.0 - np.asarray(distances))

    def nearest(found: Any) -> bool:  # noqa: ANN401
        return tuple(found[1][0]) == block.nearest

    codes, probe_codes = _core.quantize(rows), _core.quantize(probes)

    def near(scores: Any) -> bool:  # noqa: ANN401
        return bool(np.abs(scores[:, ::_STEP] - exact).max() < _CODES_TOLERANCE)

    worker = partial(Contender, work=2.0 * PROBES * rows.size)
    contenders = [
        worker("govid cosine_block", _DIVIDES, lambda: partial(_core.cosine_block, probes, rows, out), right),
        worker(
            "govid cosine_block_int8",
            "codes of a byte",
            lambda: partial(_core.cosine_block_int8, probe_codes, codes, np.empty_like(out)),
            near,
        ),
        worker("govid cosine_many", "probe by probe", lambda: _one_by_one(probes, rows, out), right),
        worker("numpy @", "trusts the norms", lambda: partial(np.matmul, probes, rows.T, out=out), right),
        worker("simsimd cdist", _DIVIDES, lambda: _simsimd(probes, rows), turned),
        Contender(
            "matrix product", _CEILING, _product, lambda one: bool((one == _SIDE).all()), work=2.0 * _SIDE**3
        ),
        worker("FAISS", "IndexFlatIP, keeps only the ten best", lambda: _faiss(probes, rows), nearest),
    ]
    return compare(
        f"cosine_block_{block.name}",
        f"{PROBES} probes against {block.title} float32, all scores",
        "ms",
        contenders,
        lambda _, ok: ok,
        # A round takes seconds.
        Pace(2 if options.quick else 5, 0.0),
        rate="GFLOP/s",
    )


def _one_by_one(probes: Matrix, rows: Matrix, out: Matrix) -> Call:
    def run() -> Matrix:
        for probe, scores in zip(probes, out, strict=True):
            _core.cosine_many(probe, rows, scores)
        return out

    return partial(run)


def _product() -> Call:
    one = np.ones((_SIDE, _SIDE), dtype=np.float32)
    product: Callable[..., Any] = np.matmul
    return partial(product, one, one, out=np.empty_like(one))


def _simsimd(probes: Matrix, rows: Matrix) -> Call:
    return partial(peer("simsimd").cdist, probes, rows, "cosine", out_dtype="float32")


def _faiss(probes: Matrix, rows: Matrix) -> Call:
    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    return partial(index.search, probes, NEAREST)


if __name__ == "__main__":
    main(claim)
