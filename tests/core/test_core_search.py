"""Search, against the blocks and numpy's sort."""

from __future__ import annotations

import threading
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray

from govid import _core

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]


def embeddings(*shape: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def expected(scores: F32, k: int, threshold: float) -> tuple[I64, F32]:
    scores = np.where(scores.astype(np.float64) >= threshold, scores, -np.inf).astype(np.float32)
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    best = np.take_along_axis(scores, rows, axis=1)
    rows = np.where(best == -np.inf, -1, rows)
    missing = ((0, 0), (0, k - rows.shape[1]))
    return np.pad(rows, missing, constant_values=-1), np.pad(best, missing, constant_values=-np.inf)


@pytest.mark.parametrize(("count", "number"), [(1, 1), (1, 500), (3, 7), (70, 53), (65, 300)])
@pytest.mark.parametrize(("k", "threshold"), [(0, -1.0), (1, -1.0), (10, 0.05), (1000, 0.0)])
def test_the_nearest_are_a_sorted_block(count: int, number: int, k: int, threshold: float) -> None:
    probes, references = embeddings(count, 40, seed=1), embeddings(number, 40, seed=2)
    codes = _core.quantize(probes), _core.quantize(references)
    for (rows, best), scores in (
        (_core.nearest(probes, references, k, threshold), _core.cosine_block(probes, references)),
        (_core.nearest_int8(*codes, k, threshold), _core.cosine_block_int8(*codes)),
    ):
        assert (rows.shape, rows.dtype) == ((count, k), np.int64)
        assert (best.shape, best.dtype) == ((count, k), np.float32)
        expected_rows, expected_scores = expected(scores, k, threshold)
        assert np.array_equal(rows, expected_rows)
        assert np.array_equal(best, expected_scores)


@pytest.mark.parametrize(("count", "number"), [(1, 500), (3, 7), (70, 300)])
@pytest.mark.parametrize("threshold", [-1, 0.1, 0.9])
def test_the_pairs_above_are_a_filtered_block(count: int, number: int, threshold: float) -> None:
    probes, references = embeddings(count, 40, seed=1), embeddings(number, 40, seed=2)
    codes = _core.quantize(probes), _core.quantize(references)
    for (rows, columns, found), scores in (
        (_core.above(probes, references, threshold, 30_000), _core.cosine_block(probes, references)),
        (_core.above_int8(*codes, threshold, 30_000), _core.cosine_block_int8(*codes)),
    ):
        assert (rows.dtype, columns.dtype, found.dtype) == (np.int64, np.int64, np.float32)
        reach = np.nonzero(scores >= np.float64(threshold))
        assert np.array_equal(rows, reach[0])
        assert np.array_equal(columns, reach[1])
        assert np.array_equal(found, scores[reach])


def test_a_limit_is_the_most_that_comes() -> None:
    rows = embeddings(100, 16)
    own = _core.above(rows, rows, 0.99999, limit=100)
    assert own[0].tolist() == own[1].tolist() == list(range(100))
    with pytest.raises(_core.CoreError) as caught:
        _core.above(rows, rows, 0.99999, limit=99)
    assert (caught.value.slug, caught.value.fields) == ("too-many", {"limit": 99})


def test_equal_scores_come_in_the_order_of_the_rows() -> None:
    rows = np.tile(np.eye(4, dtype=np.float32), (50, 1))
    found, scores = _core.nearest(rows[:4], rows, 50)
    assert found.tolist() == [list(range(i, 200, 4)) for i in range(4)]
    assert np.all(scores == 1)
    assert np.array_equal(_core.nearest_int8(_core.quantize(rows[:4]), _core.quantize(rows), 50)[0], found)


def test_nothing_to_search_finds_nothing() -> None:
    none, some = np.empty((0, 16), np.float32), embeddings(3, 16)
    rows, scores = _core.nearest(some, none, 2)
    assert rows.tolist() == [[-1, -1]] * 3
    assert np.all(scores == -np.inf)
    assert _core.nearest(none, some, 2)[0].shape == (0, 2)
    assert _core.nearest_int8(_core.quantize(none), _core.quantize(some), 2)[1].shape == (0, 2)
    for probes, references in ((none, some), (some, none), (none, none)):
        assert [len(a) for a in _core.above(probes, references, -1, 0)] == [0, 0, 0]


def test_the_score_of_a_pair_does_not_depend_on_the_call() -> None:
    probes, references = embeddings(70, 129, seed=3), embeddings(500, 129, seed=4)
    rows, scores = _core.nearest(probes, references, 5)
    for i in (0, 33, 69):
        alone = _core.nearest(probes[i : i + 1], references, 5)
        assert np.array_equal(alone[0][0], rows[i])
        assert np.array_equal(alone[1][0], scores[i])
    part = _core.nearest(probes, references[rows.min() :], 5)
    assert np.array_equal(part[0] + rows.min(), rows)
    assert np.array_equal(part[1], scores)


@pytest.mark.parametrize("k", [-1, 2**64])
def test_impossible_counts_are_refused(k: int) -> None:
    rows = embeddings(2, 4)
    with pytest.raises(OverflowError):
        _core.nearest(rows, rows, k)
    with pytest.raises(OverflowError):
        _core.above(rows, rows, 0.5, k)


def test_more_than_memory_is_a_memory_error() -> None:
    rows = embeddings(2, 4)
    for k in (2**61, 2**63):
        with pytest.raises(MemoryError):
            _core.nearest(rows, rows, k)


def test_wrong_arrays_are_a_type_error() -> None:
    rows = embeddings(2, 4)
    codes = cast("F32", _core.quantize(rows))
    for call in (_core.nearest, _core.above):
        with pytest.raises(
            TypeError, match=r"probes: expected a 2-D C-contiguous float32 array, received int8"
        ):
            call(codes, rows, 1, 1)
        with pytest.raises(
            TypeError, match=r"references: expected .* float32 array, received float32 .*\[4\]"
        ):
            call(rows, rows[0], 1, 1)


def test_threads_that_share_the_rows_find_what_one_call_finds() -> None:
    probes, references = embeddings(64, 128, seed=5), embeddings(1 << 15, 128, seed=6)
    whole = _core.nearest(probes, references, 3)
    half = len(references) // 2
    found: dict[int, tuple[I64, F32]] = {}

    def search(first: int) -> None:
        rows, scores = _core.nearest(probes, references[first : first + half], 3)
        found[first] = rows + first, scores

    threads = [threading.Thread(target=search, args=(first,)) for first in (0, half)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    rows = np.concatenate([found[0][0], found[half][0]], axis=1)
    scores = np.concatenate([found[0][1], found[half][1]], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :3]
    assert np.array_equal(np.take_along_axis(rows, order, axis=1), whole[0])
    assert np.array_equal(np.take_along_axis(scores, order, axis=1), whole[1])
