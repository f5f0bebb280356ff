"""What every tier does alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from govid.errors import GalleryUnavailable
from govid.gallery import ivf
from govid.gallery.choose import Tier
from govid.gallery.tiered import TieredGallery
from tests.govid.gallery.support import (
    DIMENSION,
    INDEXED,
    expected,
    filled,
    gallery,
    ids,
    mated,
    templates,
)

TIERS: tuple[Tier, ...] = ("exact", "int8", "ivf", "hnsw")
ROWS = templates(INDEXED)


@pytest.fixture(scope="module", params=TIERS)
def full(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TieredGallery:
    """A gallery that no test changes."""
    return filled(request.param, tmp_path_factory.mktemp("gallery"))


@pytest.fixture(params=TIERS)
def tier(request: pytest.FixtureRequest) -> Tier:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def small(tier: Tier, tmp_path: Path) -> Iterator[TieredGallery]:
    """A gallery of 3,000 in six segments that may be changed."""
    made = filled(tier, tmp_path)
    yield made
    made.close()


def test_mates_are_found(full: TieredGallery) -> None:
    probes = mated(ROWS[:300], seed=5)
    hits = full.search(probes, 10)
    best = [mine[0].reference_id for mine in hits]
    right = np.mean(
        [found == wanted[0] for found, wanted in zip(best, expected(ROWS, probes, 1), strict=True)]
    )
    recall = full.stats().recall
    assert right == 1.0 if recall is None else right >= 0.96
    for probe, mine in zip(probes, hits, strict=True):
        assert len(mine) == 10
        assert [hit.score for hit in mine] == sorted((hit.score for hit in mine), reverse=True)
        exact = [float(ROWS[hit.reference_id - 1].astype(np.float64) @ probe) for hit in mine]
        np.testing.assert_allclose([hit.score for hit in mine], exact, atol=2e-6)


def test_tiers_that_compare_everybody_equal_brute_force(full: TieredGallery) -> None:
    if full.stats().recall is not None:
        pytest.skip("an approximate tier")
    probes = np.concatenate([mated(ROWS[:40], seed=6), templates(40, seed=7)])
    assert ids(full.search(probes, 10)) == expected(ROWS, probes, 10)
    assert ids(full.search(probes, 10, threshold=0.7)) == expected(ROWS, probes, 10, threshold=0.7)


def test_a_build_measures_itself(full: TieredGallery) -> None:
    stats = full.stats()
    assert stats.references == INDEXED
    if stats.tier in ("exact", "int8"):
        assert stats.recall is None
        return
    assert stats.recall is not None
    assert stats.recall.probes == 1000
    assert 0.98 <= stats.recall.recall_at_1 <= 1
    assert 0.98 <= stats.recall.recall_at_10 <= 1
    assert 0 <= stats.recall.fnir <= 0.02
    assert stats.pending == 0
    assert not stats.building


def test_k_threshold_and_range(full: TieredGallery) -> None:
    probes = ROWS[:3]
    assert [len(mine) for mine in full.search(probes, 1)] == [1, 1, 1]
    assert ids(full.search(probes, 5, threshold=0.9999)) == [[1], [2], [3]]
    assert full.search(probes, 5, threshold=1.01) == [[], [], []]
    assert full.search(probes[:0], 5) == []
    assert full.search(probes, 0) == [[], [], []]
    everyone = full.range_search(probes, 0.25)
    wanted = expected(ROWS, probes, INDEXED, threshold=0.25)
    for mine, others in zip(ids(everyone), wanted, strict=True):
        assert len(others) > 64  # more than one look
        assert set(mine) <= set(others)
        assert mine[0] == others[0]
        # An index finds mates; strangers above so low a threshold lie everywhere.
        assert full.stats().recall or mine == others


def test_within_restricts_exactly(full: TieredGallery) -> None:
    probes = templates(5, seed=8)
    within = np.array([0, 2, 3, 77, 1500, INDEXED, INDEXED + 9])
    scores = probes.astype(np.float64) @ ROWS[[1, 2, 76, 1499, INDEXED - 1]].T
    wanted = [np.array([2, 3, 77, 1500, INDEXED])[np.argsort(-mine)].tolist() for mine in scores]
    assert ids(full.search(probes, 10, within=within)) == wanted
    assert ids(full.search(probes, 2, within=within)) == [mine[:2] for mine in wanted]
    assert ids(full.range_search(probes, -1.0, within=within)) == wanted
    assert full.search(probes, 2, within=within[:0]) == [[]] * 5


def test_many_within_are_searched_by_the_index(full: TieredGallery, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govid.gallery.restricted._FEW", 100)
    odd = np.arange(1, INDEXED + 1, 2)
    found = ids(full.search(ROWS[:20], 3, within=odd))
    assert all(i % 2 for mine in found for i in mine)
    assert [mine[0] for mine in found][::2] == list(range(1, 21, 2))


def test_an_empty_gallery_finds_nobody(tier: Tier, tmp_path: Path) -> None:
    empty = gallery(tier, tmp_path)
    empty.settle()
    assert empty.search(ROWS[:2], 5) == [[], []]
    assert empty.range_search(ROWS[:2], 0.1) == [[], []]
    assert empty.search(ROWS[:1], 5, within=np.array([1])) == [[]]
    assert len(empty) == 0


def test_adding_twice_and_removing_the_unknown_are_without_effect(small: TieredGallery) -> None:
    small.add([1, 2, 2999], ROWS[5:8])
    small.remove([99_999, 0])
    assert len(small) == 3000
    assert ids(small.search(ROWS[:2], 1)) == [[1], [2]]
    small.add([4000, 4000], templates(2, seed=3))
    assert len(small) == 3001


def test_a_removal_counts_at_once_and_may_be_undone(small: TieredGallery) -> None:
    small.remove([1, 2, 1500, 3000])
    assert len(small) == 2996
    assert ids(small.search(ROWS[[0, 1, 1499, 2999]], 1)) == expected(
        ROWS[:3000], ROWS[[0, 1, 1499, 2999]], 1, without=(1, 2, 1500, 3000)
    )
    small.add([2], ROWS[1:2])
    assert ids(small.search(ROWS[1:2], 1)) == [[2]]
    small.build()
    assert len(small) == 2997
    assert ids(small.search(ROWS[1:2], 1)) == [[2]]
    assert 1 not in ids(small.search(ROWS[:1], 50))[0]


def test_removing_most_leaves_the_rest(small: TieredGallery) -> None:
    small.remove(range(1, 2991))
    if small._builder:
        small._builder.join()  # an index with so many gaps finds too few
    assert ids(small.search(ROWS[:1], 20)) == [
        [i + 2990 for i in mine] for mine in expected(ROWS[2990:3000], ROWS[:1], 20)
    ]
    small.build()
    assert len(small) == 10
    small.remove(range(2991, 3001))
    small.build()
    assert small.search(ROWS[:1], 5) == [[]]


def test_ids_may_come_in_any_order(tier: Tier, tmp_path: Path) -> None:
    order = np.random.default_rng(3).permutation(3000)
    made = gallery(tier, tmp_path)
    for some in np.array_split(order, 7):
        made.add((some + 1).tolist(), ROWS[some])
    made.settle()
    made.remove([7])
    made.add([7, 8], ROWS[[6, 9]])
    assert ids(made.search(ROWS[:50], 1)) == [[i] for i in range(1, 51)]


def test_removals_reach_the_index(tmp_path: Path) -> None:
    for tier in ("ivf", "hnsw"):
        made = filled(tier, tmp_path)
        gone = ids(made.search(ROWS[:1], 40))[0]
        made.remove(gone)
        assert not set(gone) & set(ids(made.search(ROWS[:1], 40))[0])
        assert len(made.search(ROWS[:1], 40)[0]) == 40  # others take their places
        assert made.stats().recall is not None


def test_what_comes_after_a_build_is_found_beside_the_index(tmp_path: Path) -> None:
    made = filled("ivf", tmp_path)
    new = templates(50, seed=9)
    made.add(range(20_001, 20_051), new)
    assert made.stats().pending == 50
    assert ids(made.search(new, 1)) == [[i] for i in range(20_001, 20_051)]
    made.build()
    assert made.stats().pending == 0
    assert ids(made.search(new[:1], 1)) == [[20_001]]


def test_growth_builds_in_the_background(tmp_path: Path) -> None:
    made = filled("ivf", tmp_path)
    before = made.stats().built_at
    made.add(range(20_001, 20_601), templates(600, seed=9))
    assert made._builder is not None
    made._builder.join()
    assert made.stats().built_at != before
    assert made.stats().pending == 0
    assert len(made) == INDEXED + 600


def test_auto_changes_the_tier_with_the_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govid.gallery.choose.EXACT_BYTES", 500 * DIMENSION * 4)
    monkeypatch.setattr("govid.gallery.choose.INT8_BYTES", 2500 * DIMENSION)
    made = gallery(None, tmp_path)
    made.settle()
    tiers = []
    for start in range(0, INDEXED, 500):
        made.add(range(start + 1, start + 501), ROWS[start : start + 500])
        if made._builder:
            made._builder.join()
        tiers.append(made.stats().tier)
        assert ids(made.search(ROWS[start : start + 5], 1)) == [[start + i] for i in range(1, 6)]
    assert tiers[0] == "exact"
    assert "int8" in tiers
    assert tiers[-1] == "ivf"


def test_concurrent_equals_serial(tier: Tier, tmp_path: Path) -> None:
    """Beside writes and builds a search finds all that stays, and nothing that was gone before it began."""
    made = gallery(tier, tmp_path)
    made.add(range(1, INDEXED + 1), ROWS)
    made.remove(range(2001, 2101))
    made.settle()
    wrong: list[object] = []
    written = threading.Event()

    def search(seed: int) -> None:
        random = np.random.default_rng(seed)
        while not written.is_set():
            chosen = random.choice(2000, 8, replace=False)
            found = ids(made.search(np.concatenate([ROWS[chosen], ROWS[2000:2002]]), 3))
            wrong.extend(i for i, mine in zip(chosen, found, strict=False) if mine[0] != i + 1)
            wrong.extend(i for mine in found for i in mine if 2001 <= i <= 2100)

    def write() -> None:
        for i in range(0, 1000, 50):
            made.add(range(INDEXED + 1 + i, INDEXED + 51 + i), new[i : i + 50])
            made.remove(range(2101 + i // 2, 2121 + i // 2))

    def build() -> None:
        for _ in range(2):
            made.build()

    def attempt(work: Callable[[], None]) -> None:
        try:
            work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
            wrong.append(error)

    new = templates(1000, seed=12)
    searches = [threading.Thread(target=attempt, args=(partial(search, seed),)) for seed in (1, 2)]
    writes = [threading.Thread(target=attempt, args=(work,)) for work in (write, build)]
    for thread in (*searches, *writes):
        thread.start()
    for thread in writes:
        thread.join()
    written.set()
    for thread in searches:
        thread.join()
    assert wrong == []

    serial = gallery("exact", tmp_path)
    serial.add(range(1, INDEXED + 1001), np.concatenate([ROWS, new]))
    serial.remove(range(2001, 2101))
    for i in range(0, 1000, 50):
        serial.remove(range(2101 + i // 2, 2121 + i // 2))
    assert len(made) == len(serial)
    everybody = np.arange(1, INDEXED + 1001)
    probes = templates(20, seed=13)
    # Within given references all tiers are exact, so that nothing but the records is compared.
    assert ids(made.search(probes, 50, within=everybody)) == ids(serial.search(probes, 50))


def test_an_index_below_the_floor_does_not_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ivf, "efforts", lambda _: [1])
    made = filled("ivf", tmp_path, floor=1.0)
    stats = made.stats()
    assert stats.tier == "int8"
    assert "less than the floor of 100.00%" in stats.refused
    assert "does not serve" in caplog.text
    assert ids(made.search(ROWS[:20], 1)) == [[i] for i in range(1, 21)]


def test_without_memory_to_compare_everybody_there_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ivf, "efforts", lambda _: [1])
    made = filled("ivf", tmp_path, floor=1.0, budget=INDEXED * DIMENSION)
    with pytest.raises(GalleryUnavailable, match="less than the floor"):
        made.search(ROWS[:1], 1)
    with pytest.raises(GalleryUnavailable):
        made.range_search(ROWS[:1], 0.5)
    with pytest.raises(GalleryUnavailable, match="less than the floor"):
        made.ping()
    monkeypatch.undo()
    made._rules = gallery("ivf", tmp_path, budget=INDEXED * DIMENSION)._rules
    made.build()
    made.ping()
    assert ids(made.search(ROWS[:1], 1)) == [[1]]


@pytest.mark.parametrize("tier", ["int8", "ivf", "hnsw"])
def test_full_vectors_go_to_disk_where_memory_is_short(tier: Tier, tmp_path: Path) -> None:
    made = filled(tier, tmp_path, budget=3 * INDEXED * DIMENSION)
    stats = made.stats()
    assert stats.disk_bytes == INDEXED * DIMENSION * 4
    assert ids(made.search(ROWS[:20], 1)) == [[i] for i in range(1, 21)]
    assert list(tmp_path.iterdir()) == []  # no face has a name on the disk
    made.add([INDEXED + 1], templates(1, seed=4))
    assert ids(made.search(templates(1, seed=4), 1)) == [[INDEXED + 1]]


@pytest.mark.parametrize("tier", ["int8", "ivf"])
def test_where_the_disk_is_full_vectors_stay_in_memory(
    tier: Tier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = filled(tier, tmp_path, budget=3 * INDEXED * DIMENSION)

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("govid.gallery.mapped.mapped", full_disk)
    new = templates(1200, seed=4)  # more than two segments
    made.add(range(INDEXED + 1, INDEXED + 1201), new)
    made.build()
    assert ids(made.search(new[:20], 1)) == [[INDEXED + 1 + i] for i in range(20)]
    assert ids(made.search(ROWS[:20], 1)) == [[i] for i in range(1, 21)]
    assert caplog.text.count("No space left") == 1
    monkeypatch.undo()
    made.build()
    assert made.stats().disk_bytes == (INDEXED + 1200) * DIMENSION * 4


def test_a_build_ends_without_a_writer_in_between(tmp_path: Path) -> None:
    """A removal that finds the list of what a build must leave out can add to it."""
    cleared = []

    class Watched(TieredGallery):
        def __setattr__(self, name: str, value: object) -> None:
            if name == "_removed" and value is None and hasattr(self, "_writing"):
                cleared.append(self._writing.locked())
            super().__setattr__(name, value)

    made = Watched(DIMENSION, "m", gallery("exact", tmp_path)._rules, tmp_path)
    made.add(range(1, 11), ROWS[:10])
    cleared.clear()
    made.build()
    assert cleared == [True]


def test_a_build_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = filled("ivf", tmp_path)
    made.remove([3])

    def full_disk(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(ivf, "build", full_disk)
    with pytest.raises(OSError, match="No space"):
        made.build()
    assert not made.stats().building
    assert ids(made.search(ROWS[:5], 1))[:2] == [[1], [2]]
    made.remove([1])
    assert ids(made.search(ROWS[:1], 1)) != [[1]]
