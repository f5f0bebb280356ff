"""Every row of a matrix brought to norm 1, into a new array and in place, beside what the memory gives."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.blocks import Block, Matrix, blocks
from benchmarks.harness import Contender, Options, compare, main
from benchmarks.results import Table
from govid import _core

_TOLERANCE = 1e-6
_CHECKS = "checks that all is finite; GB/s are those of the matrix, whatever else is read and written"
_COPY = "a new array of the same values: about what its memory costs"
_SCALE = "one product in place: each line of the memory read and written"
_CEILING = "one dot of the matrix with itself: each line of the memory only read"


def claim(options: Options) -> list[Table]:
    """Rows of several lengths, for each size of block. A contender is one line."""
    return [table for block in blocks(options) for table in _tables(options, block)]


def _tables(options: Options, block: Block) -> list[Table]:
    # A row of norm 1 would be left as it is.
    lengths = np.random.default_rng(1).uniform(0.5, 2.0, (len(block.rows), 1)).astype(np.float32)
    rows: Matrix = block.rows * lengths
    exact = _exact(rows)
    work = np.empty_like(rows)
    reader = partial(Contender, work=rows.nbytes)
    again = partial(Contender, work=rows.nbytes, before=partial(np.copyto, work, rows))

    def told(_: Any) -> Matrix:  # noqa: ANN401
        """For those that only show what the memory gives."""
        return exact

    def in_place(_: Any) -> Matrix:  # noqa: ANN401
        return work

    read = reader("plain read", _CEILING, lambda: partial(np.dot, rows.ravel(), rows.ravel()), told)
    new = [
        reader("govid l2_normalize", _CHECKS, lambda: partial(_core.l2_normalize, rows)),
        reader("numpy x / norm", "", lambda: partial(_divided, rows)),
        reader("plain copy", _COPY, lambda: partial(np.copy, rows), told),
        read,
    ]
    same = [
        again("govid l2_normalize_inplace", "", lambda: partial(_core.l2_normalize_inplace, work), in_place),
        again("numpy x /= norm", "", lambda: partial(_divided, work, work)),
        again("plain scale", _SCALE, lambda: partial(np.multiply, work, np.float32(1.5), out=work), told),
        read,
    ]
    return [
        compare(
            f"{name}_{block.name}",
            f"Rows of {block.title} float32 brought to norm 1, {where}",
            "ms",
            contenders,
            lambda _, unit: bool(np.abs(unit - exact).max() < _TOLERANCE),
            options.pace,
            rate="GB/s",
        )
        for name, where, contenders in (
            ("l2_normalize", "a new array", new),
            ("l2_normalize_inplace", "in place", same),
        )
    ]


def _exact(rows: Matrix) -> Matrix:
    doubles: NDArray[np.float64] = rows.astype(np.float64)
    doubles /= np.linalg.norm(doubles, axis=1, keepdims=True)
    return doubles.astype(np.float32)


def _divided(rows: Matrix, out: Matrix | None = None) -> Matrix:
    unit: Matrix = np.divide(rows, np.linalg.norm(rows, axis=1, keepdims=True), out=out)
    return unit


if __name__ == "__main__":
    main(claim)
