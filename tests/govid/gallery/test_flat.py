from __future__ import annotations

import threading

import numpy as np
import pytest

from govid.gallery.flat import FlatGallery

RNG = np.random.default_rng(2)


def unit(n: int, dimension: int = 32) -> np.ndarray:
    rows = RNG.normal(size=(n, dimension)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def test_search_is_exact_and_in_order() -> None:
    rows = unit(500)
    gallery = FlatGallery(32)
    gallery.add(range(1000, 1500), rows)
    for probe in unit(20):
        expected = np.argsort(-(rows @ probe))[:10]
        (hits,) = gallery.search(probe[None], 10)
        assert [hit.reference_id - 1000 for hit in hits] == expected.tolist()
        np.testing.assert_allclose([hit.score for hit in hits], (rows @ probe)[expected], atol=1e-5)


def test_adding_twice_and_removing_the_unknown_are_without_effect() -> None:
    rows = unit(3)
    gallery = FlatGallery(32)
    gallery.add([1, 2, 3], rows)
    gallery.add([2, 3], rows[1:])
    gallery.remove([99])
    assert len(gallery) == 3
    gallery.remove([2])
    assert {hit.reference_id for hit in gallery.search(rows[1:2], 9)[0]} == {1, 3}


@pytest.mark.parametrize("k", [1, 5])
def test_an_empty_gallery_finds_nobody(k: int) -> None:
    assert FlatGallery(32).search(unit(1), k) == [[]]


def test_searches_go_on_while_others_write() -> None:
    gallery = FlatGallery(32)
    anchor = unit(1)
    gallery.add([0], anchor)
    wrong: list[object] = []
    stop = threading.Event()

    def search() -> None:
        while not stop.is_set():
            best = gallery.search(anchor, 3)[0][0]
            if best.reference_id != 0 or abs(best.score - 1) > 1e-5:
                wrong.append(best)

    readers = [threading.Thread(target=search) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(1, 200):
        gallery.add([number], unit(1))
        if number % 3 == 0:
            gallery.remove([number])
    stop.set()
    for reader in readers:
        reader.join()
    assert wrong == []
