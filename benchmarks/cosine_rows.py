"""One probe against N rows: all N scores, beside what the memory gives to one thread."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.blocks import Block, Matrix, blocks
from benchmarks.harness import Contender, Options, compare, main
from benchmarks.peers import peer
from benchmarks.results import Table
from govid import _core

_TOLERANCE = 1e-5
_CODES_TOLERANCE = 0.01
_CHECKS = "checks that all is finite, divides by the norms"
_CODES = "codes of a byte, a quarter of the memory; off by 0.005 at most"
_DIVIDES = "divides by the norms"
_CEILING = "one dot of the block with itself: what memory gives one thread that does not ask ahead by itself"


def claim(options: Options) -> list[Table]:
    """All scores of one probe, for each size of block. A contender is one line."""
    return [_table(options, block) for block in blocks(options)]


def _table(options: Options, block: Block) -> Table:
    rows, probe = block.rows, block.probe
    out = np.empty(len(rows), dtype=np.float32)
    exact = rows.astype(np.float64) @ probe.astype(np.float64)
    codes, probe_codes = _core.quantize(rows), _core.quantize(probe)

    def near(scores: Any) -> Any:  # noqa: ANN401
        """The exact scores where the codes give nearly them."""
        return exact if np.abs(scores - exact).max() < _CODES_TOLERANCE else scores

    reader = partial(Contender, work=rows.nbytes)
    contenders = [
        reader("govid cosine_many", _CHECKS, lambda: partial(_core.cosine_many, probe, rows, out)),
        Contender(
            "govid cosine_many_int8",
            _CODES,
            lambda: partial(_core.cosine_many_int8, probe_codes, codes, np.empty_like(out)),
            near,
            work=codes.nbytes,
        ),
        reader("numpy @", "trusts the norms", lambda: partial(np.matmul, rows, probe, out=out)),
        reader("numpy @ with norms", "a dot and a norm per row", lambda: partial(_with_norms, rows, probe)),
        reader(
            "simsimd cdist",
            _DIVIDES,
            lambda: partial(_cdist("simsimd"), probe[None], rows, "cosine"),
            _turned,
        ),
        reader(
            "numkong cdist",
            _DIVIDES,
            lambda: partial(_cdist("numkong"), probe[None], rows, "angular"),
            _turned,
        ),
        reader("plain read", _CEILING, lambda: partial(np.dot, rows.ravel(), rows.ravel()), lambda _: exact),
    ]
    return compare(
        f"cosine_rows_{block.name}",
        f"One probe against {block.title} float32, all scores",
        "ms",
        contenders,
        lambda _, scores: bool(np.abs(scores - exact).max() < _TOLERANCE),
        options.pace,
        rate="GB/s",
    )


def _cdist(module: str) -> Callable[..., Any]:
    distances: Callable[..., Any] = peer(module).cdist
    return distances


def _turned(distances: Any) -> Any:  # noqa: ANN401
    return 1.0 - np.asarray(distances).ravel()


def _with_norms(rows: Matrix, probe: Matrix) -> Matrix:
    norms = np.sqrt(np.einsum("ij,ij->i", rows, rows)) * np.linalg.norm(probe)
    scores: Matrix = (rows @ probe) / norms
    return scores


if __name__ == "__main__":
    main(claim)
