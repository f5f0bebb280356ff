"""The extension's numbers, against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from govid import _core

F32 = NDArray[np.float32]

# They hug the widths of the vectors.
LENGTHS = [1, 15, 16, 17, 31, 32, 33, 127, 128, 129, 511, 512, 513]

ELEMENTS = st.floats(width=32, min_value=-1e3, max_value=1e3, allow_subnormal=False)

TOLERANCE = 2e-6


def embeddings(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def expected_cosine(a: F32, b: F32) -> float:
    x, y = a.astype(np.float64), b.astype(np.float64)
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[F32, F32]:
    length = draw(st.sampled_from(LENGTHS) | st.integers(1, 600))
    vectors = hnp.arrays(np.float32, length, elements=ELEMENTS).filter(lambda v: bool(v.any()))
    return draw(vectors), draw(vectors)


@given(pairs())
def test_cosine_agrees_with_numpy(pair: tuple[F32, F32]) -> None:
    a, b = pair
    score = _core.cosine(a, b)
    assert -1.0 <= score <= 1.0
    assert score == pytest.approx(expected_cosine(a, b), abs=TOLERANCE)
    assert _core.cosine(b, a) == pytest.approx(score, abs=1e-12)
    assert _core.cosine(a, a) == pytest.approx(1.0, abs=1e-12)


@given(pairs())
def test_l2_normalize_makes_unit_vectors_and_is_idempotent(pair: tuple[F32, F32]) -> None:
    x, _ = pair
    before = x.copy()
    unit = _core.l2_normalize(x)
    assert np.array_equal(x, before)
    assert np.linalg.norm(unit.astype(np.float64)) == pytest.approx(1.0, abs=TOLERANCE)
    assert expected_cosine(x, unit) == pytest.approx(1.0, abs=TOLERANCE)
    assert np.array_equal(_core.l2_normalize(unit), unit)


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("count", [1, 31, 32, 33, 70])
def test_cosine_many_agrees_with_numpy(length: int, count: int) -> None:
    probe, references = embeddings(length, seed=1), embeddings(count, length, seed=2)
    scores = _core.cosine_many(probe, references)
    assert scores.shape == (count,)
    assert scores.dtype == np.float32
    expected = [expected_cosine(probe, row) for row in references]
    assert np.allclose(scores, expected, rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("length", LENGTHS)
def test_integers_are_exact(length: int) -> None:
    rng = np.random.default_rng(length)
    a = rng.integers(1, 8, length).astype(np.float32)
    b = rng.integers(-7, -1, length).astype(np.float32)
    assert _core.cosine(a, b) == pytest.approx(expected_cosine(a, b), abs=1e-15)
    assert _core.cosine_many(a, b[None])[0] == np.float32(expected_cosine(a, b))


@pytest.mark.parametrize("scale", [1e-40, 1e-30, 1e-19, 1e18, 1e30, 1e37])
def test_tiny_and_huge_values_neither_vanish_nor_overflow(scale: float) -> None:
    a, b = embeddings(128, seed=3), embeddings(128, seed=4)
    scaled = (a.astype(np.float64) * scale).astype(np.float32)
    expected = expected_cosine(scaled, b)
    assert _core.cosine(scaled, b) == pytest.approx(expected, abs=TOLERANCE)
    assert _core.cosine(b, scaled) == pytest.approx(expected, abs=TOLERANCE)
    assert _core.cosine_many(scaled, b[None])[0] == pytest.approx(expected, abs=TOLERANCE)
    assert _core.cosine_many(b, scaled[None])[0] == pytest.approx(expected, abs=TOLERANCE)
    norm = np.linalg.norm(_core.l2_normalize(scaled).astype(np.float64))
    assert norm == pytest.approx(1.0, abs=TOLERANCE)


def test_a_matrix_is_normalised_row_by_row() -> None:
    x = embeddings(33, 129)
    unit = _core.l2_normalize(x)
    assert unit.shape == x.shape
    assert np.array_equal(unit, np.stack([_core.l2_normalize(row) for row in x]))
    _core.l2_normalize_inplace(x)
    assert np.array_equal(x, unit)


def test_a_vector_is_normalised_in_place() -> None:
    x = np.array([3, 4], np.float32)
    _core.l2_normalize_inplace(x)
    assert x.tolist() == np.array([0.6, 0.8], np.float32).tolist()


def test_no_references_give_no_scores() -> None:
    empty = np.empty((0, 128), np.float32)
    assert _core.cosine_many(embeddings(128), empty).shape == (0,)
    assert _core.l2_normalize(empty).shape == (0, 128)
    _core.l2_normalize_inplace(empty)


def test_out_is_filled_and_returned() -> None:
    probe, references = embeddings(64, seed=5), embeddings(10, 64, seed=6)
    out = np.full(10, np.nan, np.float32)
    assert _core.cosine_many(probe, references, out=out) is out
    assert np.array_equal(out, _core.cosine_many(probe, references))


def test_views_that_are_contiguous_are_welcome(tmp_path_factory: pytest.TempPathFactory) -> None:
    block = embeddings(10, 64)
    assert _core.cosine_many(block[3], block[2:7])[1] == pytest.approx(1.0)
    path = tmp_path_factory.mktemp("core") / "block.npy"
    np.save(path, block)
    mapped = np.load(path, mmap_mode="r")
    assert np.array_equal(_core.cosine_many(block[0], mapped), _core.cosine_many(block[0], block))


def test_the_version_is_there() -> None:
    assert _core.__version__.count(".") == 2
