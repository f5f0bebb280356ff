"""1:1: one comparison of two embeddings, called from Python."""

from __future__ import annotations

import operator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import Contender, Options, compare, main
from benchmarks.peers import peer
from benchmarks.results import Table
from govid import _core

DIMENSIONS = (128, 512)
_TOLERANCE = 2e-6
_CHECKS = "checks length and that all is finite, divides by the norms"
_DIVIDES = "divides by the norms"
_TRUSTS = "trusts the norms"

Vector = NDArray[np.float32]


def claim(options: Options) -> list[Table]:
    """The cosine of two vectors of norm 1."""
    return [_table(options, dimension) for dimension in DIMENSIONS]


def _table(options: Options, dimension: int) -> Table:
    a, b = _unit(dimension, 1), _unit(dimension, 2)
    exact = float(np.dot(a.astype(np.float64), b.astype(np.float64)))
    contenders = [
        Contender("govid cosine", _CHECKS, lambda: partial(_core.cosine, a, b)),
        Contender("simsimd cosine", _DIVIDES, lambda: partial(peer("simsimd").cosine, a, b), _turned),
        Contender("numkong angular", _DIVIDES, lambda: partial(peer("numkong").angular, a, b), _turned),
        Contender("simsimd dot", _TRUSTS, lambda: partial(peer("simsimd").dot, a, b), float),
        Contender("numkong dot", _TRUSTS, lambda: partial(peer("numkong").dot, a, b), float),
        Contender("numpy dot", _TRUSTS, lambda: partial(np.dot, a, b), float),
        Contender("numpy with norms", "a dot and two norms", lambda: partial(_with_norms, a, b), float),
        Contender("no work", "the floor of any call", lambda: partial(operator.is_, a, b), lambda _: exact),
    ]
    return compare(
        f"cosine_pair_{dimension}",
        f"One cosine of {dimension} values, from Python",
        "ns",
        contenders,
        lambda _, score: abs(score - exact) < _TOLERANCE,
        options.pace,
    )


def _unit(dimension: int, seed: int) -> Vector:
    values = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    return (values / np.linalg.norm(values)).astype(np.float32)


def _turned(distance: object) -> float:
    return 1.0 - float(distance)  # type: ignore[arg-type]


def _with_norms(a: Vector, b: Vector) -> float:
    score: float = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return score


if __name__ == "__main__":
    main(claim)
