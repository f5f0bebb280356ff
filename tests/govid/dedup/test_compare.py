from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from govid import _core
from govid.dedup import compare as module
from govid.dedup.compare import compare
from govid.dedup.ranges import References
from govid.dedup.screen import codes, loosened
from tests.govid.dedup import support


def nothing() -> None:
    """No pause."""


def references(
    embeddings: NDArray[np.float32], subjects: list[str] | None = None, first: int = 1
) -> References:
    names = subjects or [f"s{first + n}" for n in range(len(embeddings))]
    ids = np.arange(first, first + len(embeddings), dtype=np.int64)
    return References(ids, np.array(names, dtype=object), embeddings, 0, codes(embeddings))


@pytest.mark.parametrize("slice_rows", [1, 3, 1024])
def test_a_range_with_itself_gives_each_pair_once(slice_rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SLICE", slice_rows)
    some = references(support.people(30))
    pairs, tally = compare(some, some, -1.0, pause=nothing)
    assert {(p.reference_a, p.reference_b) for p in pairs} | {
        (p.reference_b, p.reference_a) for p in pairs
    } == {(a, b) for a in range(1, 31) for b in range(1, 31) if a != b}
    assert len(pairs) == tally.compared == 30 * 29 // 2


def test_pairs_within_a_subject_are_counted_and_left_out() -> None:
    face = support.people(1)[0]
    some = references(np.stack([face, face, face]), ["a", "a", "b"])
    pairs, tally = compare(some, some, 0.9, pause=nothing)
    assert [(p.subject_a, p.subject_b, p.reference_a, p.reference_b) for p in pairs] == [
        ("a", "b", 1, 3),
        ("a", "b", 2, 3),
    ]
    assert tally.same_subject == 1


def test_a_photo_of_nobody_enrolled_many_times_fills_neither_memory_nor_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "SLICE_PAIRS", 7)
    placeholder = np.repeat(support.people(1), 60, axis=0)
    placeholder[-1] = support.like(placeholder[0])
    one, other = references(placeholder), references(placeholder, first=100)
    pairs, tally = compare(one, other, 0.5, pause=nothing)
    assert len(pairs) == tally.compared == 3600
    pairs, tally = compare(one, other, 0.5, pause=nothing, block_pairs=100)
    assert len(pairs) == 100
    assert tally.not_kept == 3500
    assert min(pair.score for pair in pairs) > 0.999


def test_empty_ranges() -> None:
    empty = references(np.zeros((0, support.PROFILE.dimension), dtype=np.float32))
    some = references(support.people(3))
    for one, other in ((empty, empty), (empty, some), (some, empty)):
        assert compare(one, other, 0.5, pause=nothing)[0] == []


@pytest.mark.parametrize("dimension", [8, 129, 642])
@pytest.mark.parametrize("threshold", [-1.0, 0.0, 0.3, 0.77, 0.999])
def test_the_screen_misses_nothing_that_float32_finds(dimension: int, threshold: float) -> None:
    """Many pairs just at the threshold, of photos that are alike in a direction of their own."""
    rng = np.random.default_rng(dimension)
    one = _core.l2_normalize(rng.normal(size=(200, dimension)).astype(np.float32))
    other = rng.normal(size=(200, dimension)).astype(np.float32)
    other -= (other * one).sum(axis=1, keepdims=True) * one  # at right angles to its partner
    other = _core.l2_normalize(other)
    near = threshold + rng.normal(scale=1e-4, size=(200, 1)).astype(np.float32)
    near = np.clip(near, -1, 1)
    partner = _core.l2_normalize(near * one + np.sqrt(1 - near**2) * other)
    probes, refs = references(one), references(partner, first=1000)
    wanted = _core.above(one, partner, threshold, 10**6)
    pairs, _ = compare(probes, refs, threshold, pause=nothing)
    found = {(p.reference_a, p.reference_b): p.score for p in pairs}
    found |= {(b, a): score for (a, b), score in found.items()}
    assert len(pairs) == len(wanted[0])
    for i, j, score in zip(*(column.tolist() for column in wanted), strict=True):
        assert found[i + 1, j + 1000] == score
    assert loosened(threshold, dimension, probes.codes, refs.codes) <= threshold
