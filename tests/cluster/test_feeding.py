"""The gallery follows the records, whichever server wrote them and however often they are fed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from govid import Decision, Engine, Settings
from govid.gallery.reconcile import reconcile
from tests import support
from tests.cluster.milvus_cluster import MilvusCluster
from tests.cluster.registry import Registry, ids
from tests.support import wait_until

pytestmark = pytest.mark.cluster


@pytest.fixture
def other(settings: Settings, registry: Registry) -> Iterator[Registry]:
    """A second server that has run for a while: its reads are bounded."""
    other = Registry(settings)
    other.feed()
    other.gallery._strong_until = 0.0
    yield other
    other.close()


def assert_in_step(registry: Registry) -> None:
    report = reconcile(registry.shared, repair=False)
    assert (report.missing, report.surplus) == (0, 0)
    assert report.references_digest == report.rows_digest
    assert report.references == report.rows == report.counted == len(registry.embeddings())


def test_what_one_server_enrols_the_other_finds_at_once(registry: Registry, other: Registry) -> None:
    rows = registry.unit(20)
    for number, row in enumerate(rows):
        new = registry.enrol(f"new-{number}", row)
        if number % 2:
            registry.feed()
        other.feed()
        assert other.gallery._consistency() == "Bounded"
        assert ids(other.gallery.search(row[None], 1)) == [[new]]
        within = np.array([*list(registry.embeddings())[:500], new], dtype=np.int64)
        assert ids(other.gallery.search(row[None], 1, within=within)) == [[new]]
        assert new not in ids(other.gallery.search(row[None], 1, within=within[:-1]))[0]
    assert_in_step(registry)


def test_what_is_deleted_is_found_no_more_even_before_the_cluster_hears_of_it(
    registry: Registry, other: Registry
) -> None:
    (row,) = registry.unit(1)
    gone = registry.enrol("gone", row)
    registry.feed()
    registry.delete("gone")
    assert registry.gallery.present([gone]) == {gone}
    for server in (registry, other):
        assert gone not in ids(server.gallery.search(row[None], 5))[0]
    other.feed()
    assert registry.gallery.present([gone]) == set()
    assert_in_step(registry)


def test_a_feed_repeated_is_without_effect(registry: Registry, settings: Settings) -> None:
    before = registry.gallery.count()
    every = list(registry.embeddings())
    registry.gallery.refresh(every[:100])
    registry.gallery.refresh(every[:100])
    registry.store.set_gallery_position(registry.gallery.name, 0)
    again = Registry(settings)
    again.feed()
    assert again.gallery.count() == before
    assert again.store.gallery_position(again.gallery.name) is not None
    again.close()
    assert_in_step(registry)


def test_a_slow_feeder_does_not_bring_back_what_was_deleted(
    registry: Registry, other: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    (row,) = registry.unit(1)
    slow = registry.enrol("slow", row)
    upsert = registry.gallery.add

    def stalled(reference_ids: list[int], embeddings: np.ndarray) -> None:
        # Meanwhile the subject is deleted and another server feeds that.
        if "slow" in registry.store.subjects(after="slov", limit=1):
            other.delete("slow")
            other.feed()
        upsert(reference_ids, embeddings)

    monkeypatch.setattr(registry.gallery, "add", stalled)
    registry.feed()
    assert registry.gallery.present([slow]) == set()


def test_reconciliation_mends_what_is_missing_and_what_is_surplus(registry: Registry) -> None:
    every = list(registry.embeddings())
    registry.gallery.remove(every[10:13])
    registry.gallery.add([every[-1] + 1000, every[-1] + 50_000], registry.unit(2))
    differing = (3, 2)

    def seen() -> bool:
        # Ids are read bounded: what changed in the last seconds may not be seen yet.
        found = reconcile(registry.shared, repair=False)
        return (found.missing, found.surplus) == differing and found.references_digest != found.rows_digest

    wait_until(seen, pause=0.1)
    found = reconcile(registry.shared, repair=True)
    assert (found.missing, found.surplus, found.repaired) == (3, 2, True)
    assert_in_step(registry)


def test_two_engines_share_one_gallery(cluster: MilvusCluster, tmp_path: Path) -> None:
    settings = Settings(data_dir=str(support.data_dir(tmp_path / "var")), gallery_url=cluster.url)
    with Engine(settings) as one, Engine(settings) as two:
        one.enrol("obama", support.OBAMA)
        one.enrol("biden", support.BIDEN)
        found = two.identify(support.OBAMA_LATER)
        assert found.decision is Decision.MATCH
        assert [candidate.subject_id for candidate in found.candidates] == ["obama"]
        assert found.gallery_size == 2
        (duplicate,) = two.enrol("barack", support.OBAMA_LATER).possible_duplicates
        assert duplicate.subject_id == "obama"
        two.delete("obama")
        assert [c.subject_id for c in one.identify(support.OBAMA).candidates] == ["barack"]

        for group, other in (("staff", "guests"), ("guests", "staff")):
            two.set_groups("barack", [group])
            assert [c.subject_id for c in one.identify(support.OBAMA, groups=[group]).candidates] == [
                "barack"
            ]
            assert one.identify(support.OBAMA, groups=[other]).candidates == ()
        (first,) = one.subject("barack").references
        one.add_reference("barack", support.OBAMA)
        assert one.identify(support.OBAMA_LATER).candidates[0].score == pytest.approx(1, abs=1e-5)
        two.delete_reference("barack", first.reference_id)
        (left,) = one.identify(support.OBAMA_LATER).candidates
        assert (left.subject_id, (left.score or 1) < 0.99) == ("barack", True)
