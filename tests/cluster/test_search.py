"""Searches through the cluster find what an exact search finds, with the same scores."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from govid import Settings
from govid.gallery.milvus import MilvusGallery, collection_name
from govid.gallery.rebuild import rebuild
from govid.gallery.shared import SharedGallery
from tests.cluster.registry import Registry
from tests.support import wait_until

pytestmark = pytest.mark.cluster


def test_the_best_are_those_of_an_exact_search(registry: Registry) -> None:
    probes = registry.mated(70)
    assert registry.gallery.search(probes, 10) == registry.exact(probes, 10)


def test_all_above_a_threshold_are_those_of_an_exact_search(registry: Registry) -> None:
    probes = registry.mated(5)
    for threshold in (0.2, -1.0):
        expected = registry.exact(probes, threshold=threshold)
        assert registry.gallery.range_search(probes, threshold) == expected
    assert registry.gallery.search(probes, 3, threshold=0.2) == registry.exact(probes, 3, threshold=0.2)


def test_more_than_one_answer_holds_is_found_in_parts(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.gallery.milvus._MOST", 256)
    probes = registry.mated(2)
    expected = registry.exact(probes, threshold=0.0)
    assert len(expected[0]) > 1000
    assert registry.gallery.range_search(probes, 0.0) == expected
    assert registry.gallery.search(probes, 100) == registry.exact(probes, 100)
    assert registry.gallery.ids(-1, 2**63 - 1).tolist() == list(registry.embeddings())


@pytest.mark.parametrize("size", [0, 3, 250, 2500])
def test_a_restriction_is_kept(registry: Registry, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govid.gallery.milvus._IDS_AT_ONCE", 1000)
    within = np.array(list(registry.embeddings())[50 : 50 + size], dtype=np.int64)
    probes = registry.mated(60)
    assert registry.gallery.search(probes, 10, within=within) == registry.exact(probes, 10, within=within)
    expected = registry.exact(probes, threshold=0.1, within=within)
    assert registry.gallery.range_search(probes, 0.1, within=within) == expected


def test_ties_at_the_threshold_are_all_found_and_none_beyond(registry: Registry) -> None:
    (twin,) = registry.unit(1)
    (probe,) = registry.mated(1)
    twins = [registry.enrol(f"twin-{number}", twin) for number in range(5)]
    registry.feed()
    (hits,) = registry.gallery.range_search(probe[None], -1.0)
    (score,) = {hit.score for hit in hits if hit.reference_id in twins}
    (at,) = registry.gallery.range_search(probe[None], score)
    assert [hit.reference_id for hit in at][-5:] == twins
    (beyond,) = registry.gallery.range_search(probe[None], float(np.nextafter(score, np.inf)))
    assert not {hit.reference_id for hit in beyond} & set(twins)
    for number in range(5):
        registry.delete(f"twin-{number}")
    registry.feed()


@pytest.mark.parametrize("index", ["HNSW", "IVF_SQ8"])
def test_an_index_finds_the_mates_and_scores_them_exactly(
    registry: Registry, settings: Settings, index: str
) -> None:
    gallery = MilvusGallery(
        msgspec.structs.replace(settings, gallery_index=index),
        registry.profile.dimension,
        collection_name(index, registry.store.identity),
        registry.gallery.embeddings,
    )
    rebuild(SharedGallery(gallery, registry.store, registry.shared.fit))
    client = gallery._client
    assert client is not None
    client.flush(gallery.name)
    wait_until(lambda: client.describe_index(gallery.name, "embedding")["pending_index_rows"] == 0)
    probes = registry.mated(70)
    expected = registry.exact(probes, 10)
    found = gallery.search(probes, 10)
    gallery.close()
    assert [hits[0] for hits in found] == [hits[0] for hits in expected]
    for mine, every in zip(found, registry.exact(probes), strict=True):
        assert set(mine) <= set(every)


def test_a_search_for_nobody_finds_nobody(registry: Registry) -> None:
    assert registry.gallery.search(registry.unit(0), 5) == []
    assert registry.gallery.range_search(registry.unit(0), 0.5) == []
