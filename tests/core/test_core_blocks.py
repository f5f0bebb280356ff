"""Blocks of pairs and int8 codes, against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from govid import _core

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# They hug the widths of the vectors.
LENGTHS = [1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 511, 512, 513]

TOLERANCE = 2e-6


def embeddings(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def expected(probes: NDArray[np.generic], references: NDArray[np.generic]) -> F64:
    a, b = probes.astype(np.float64), references.astype(np.float64)
    a /= np.linalg.norm(a, axis=1, keepdims=True)
    b /= np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize(("count", "number"), [(1, 1), (3, 7), (70, 53), (5, 200)])
def test_blocks_agree_with_numpy(length: int, count: int, number: int) -> None:
    probes, references = embeddings(count, length, seed=1), embeddings(number, length, seed=2)
    scores = _core.cosine_block(probes, references)
    assert (scores.shape, scores.dtype) == ((count, number), np.float32)
    assert np.allclose(scores, expected(probes, references), rtol=0, atol=TOLERANCE)
    probes_int8, references_int8 = _core.quantize(probes), _core.quantize(references)
    scores = _core.cosine_block_int8(probes_int8, references_int8)
    assert np.allclose(scores, expected(probes_int8, references_int8), rtol=0, atol=5e-7)
    assert np.array_equal(_core.cosine_many_int8(probes_int8[-1], references_int8), scores[-1])


def test_a_large_new_array_holds_what_a_given_one_does() -> None:
    probes, references = embeddings(64, 2, seed=1), embeddings(70_000, 2, seed=2)
    out = np.full((64, 70_000), np.nan, dtype=np.float32)
    assert _core.cosine_block(probes, references, out) is out
    assert np.array_equal(_core.cosine_block(probes, references), out)
    assert np.allclose(out[:, ::97], expected(probes, references[::97]), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("count", [1, 5, 11, 12, 40, 64, 130])
def test_the_score_of_a_pair_does_not_depend_on_the_call(count: int) -> None:
    for length in (1, 7, 129, 512):
        probes, references = embeddings(130, length, seed=5), embeddings(60, length, seed=6)
        scores = _core.cosine_block(probes, references)
        assert np.array_equal(_core.cosine_block(probes[:count], references[7:]), scores[:count, 7:])
        assert np.array_equal(_core.cosine_block(probes[-count:], references[:50]), scores[-count:, :50])


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-19, 1e18, 1e30, 1e37])
def test_tiny_and_huge_rows_neither_vanish_nor_overflow(scale: float) -> None:
    probes, references = embeddings(3, 128, seed=3), embeddings(9, 128, seed=4)
    probes[1] = (probes[1].astype(np.float64) * scale).astype(np.float32)
    references[4] = (references[4].astype(np.float64) * scale).astype(np.float32)
    scores = _core.cosine_block(probes, references)
    assert np.allclose(scores, expected(probes, references), rtol=0, atol=TOLERANCE)
    assert np.all(np.abs(_core.quantize(references)).max(axis=1) == 127)


def test_codes_are_rounded_shares_of_the_largest() -> None:
    x = embeddings(20, 129)
    exact = 127 * x.astype(np.float64) / np.abs(x).max(axis=1, keepdims=True)
    codes = _core.quantize(x)
    assert (codes.shape, codes.dtype) == (x.shape, np.int8)
    assert np.abs(codes - exact).max() <= 0.5 + 1e-9
    assert np.array_equal(_core.quantize(x[3]), codes[3])


# What the docstring of `quantize` says: root mean square and largest difference.
@pytest.mark.parametrize(
    ("dimension", "typical", "most"), [(128, 8e-4, 45e-4), (512, 5e-4, 25e-4), (640, 4e-4, 22e-4)]
)
def test_int8_scores_are_as_near_as_documented(dimension: int, typical: float, most: float) -> None:
    rng = np.random.default_rng(0)
    probes = rng.normal(size=(256, dimension)).astype(np.float32)
    references = rng.normal(size=(4096, dimension)).astype(np.float32)
    # Half of the references resemble a probe.
    references[::2] = references[::2] / 2 + probes[rng.integers(0, 256, 2048)]
    exact = expected(probes, references)
    int8 = _core.cosine_block_int8(_core.quantize(probes), _core.quantize(references))
    difference = np.abs(int8 - exact)
    assert np.sqrt(np.mean(difference**2)) == pytest.approx(typical, rel=0.15)
    assert difference.max() == pytest.approx(most, rel=0.25)
    float32 = np.abs(_core.cosine_block(probes, references) - exact)
    assert float32.max() < 4e-7


def test_codes_of_minus_128_are_exact() -> None:
    codes = np.random.default_rng(0).integers(-128, 128, (50, 200), dtype=np.int8)
    codes[7] = -128
    scores = _core.cosine_block_int8(codes, codes)
    assert np.allclose(scores, expected(codes, codes), rtol=0, atol=5e-7)
    assert np.array_equal(_core.cosine_many_int8(codes[7], codes), scores[7])


def test_nothing_to_compare_gives_no_scores() -> None:
    none, some = np.empty((0, 16), np.float32), embeddings(3, 16)
    for probes, references in ((none, some), (some, none), (none, none)):
        shape = (len(probes), len(references))
        assert _core.cosine_block(probes, references).shape == shape
        assert _core.cosine_block_int8(_core.quantize(probes), _core.quantize(references)).shape == shape
    assert _core.cosine_many_int8(_core.quantize(some)[0], _core.quantize(none)).shape == (0,)


def test_out_is_filled_and_returned() -> None:
    probes, references = embeddings(4, 64, seed=5), embeddings(10, 64, seed=6)
    out = np.full((4, 10), np.nan, np.float32)
    assert _core.cosine_block(probes, references, out=out) is out
    assert np.array_equal(out, _core.cosine_block(probes, references))
    codes, many = _core.quantize(references), np.full(10, np.nan, np.float32)
    assert _core.cosine_many_int8(codes[0], codes, out=many) is many
    assert _core.cosine_block_int8(codes[:4], codes, out=out) is out
    assert np.array_equal(out[0], many)
