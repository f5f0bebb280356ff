"""Kept photos, in each store."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from govid.errors import PhotoNotKept, StoreUnavailable
from govid.store import Stored
from govid.store.photos import KeptPhoto, ReferencePhoto
from govid.store.records import SqlStore
from tests.govid.store.support import AUDIT, OpenStore, new, reply

DAY = 86400.0


def photo(data: bytes = b"a face", days: float = 1.0) -> KeptPhoto:
    return KeptPhoto("image/jpeg", data, time.time() + days * DAY)


def enrolled(store: SqlStore, subject: str, kept: KeptPhoto | None) -> int:
    made = store.add_subject(replace(new(subject), photo=kept), AUDIT, None, reply)
    assert isinstance(made, Stored)
    return made.reference.reference_id


def look(store: SqlStore, reference_id: int) -> ReferencePhoto:
    with store.database.reading() as connection:
        return store.photos.of_reference(connection, reference_id)


def test_a_photo_is_there_after_reopening_and_gone_with_its_subject(
    store: SqlStore, open_store: OpenStore
) -> None:
    kept = photo()
    reference_id = enrolled(store, "a", kept)
    store.close()
    store = open_store()
    assert look(store, reference_id) == ReferencePhoto(reference_id, "a", kept)
    assert store.photos.kept_until("a") == {reference_id: kept.kept_until}
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    with pytest.raises(PhotoNotKept):
        look(store, reference_id)


def test_a_photo_past_its_time_is_not_shown_even_before_it_is_erased(store: SqlStore) -> None:
    reference_id = enrolled(store, "a", photo(days=-0.001))
    for unknown in (reference_id, reference_id + 1, 0, -1, 2**70):
        with pytest.raises(PhotoNotKept):
            look(store, unknown)
    assert (store.photos.page(), store.photos.kept_until("a")) == ([], {})


def test_photos_are_read_in_order_page_by_page(store: SqlStore) -> None:
    ids = [enrolled(store, f"s{n}", photo(b"%d" % n) if n % 2 else None) for n in range(7)]
    found: list[ReferencePhoto] = []
    while some := store.photos.page(after=found[-1].reference_id if found else 0, limit=2):
        found += some
    assert [(one.reference_id, one.subject_id, one.photo.data) for one in found] == [
        (ids[n], f"s{n}", b"%d" % n) for n in (1, 3, 5)
    ]


def test_an_added_reference_keeps_its_photo(store: SqlStore) -> None:
    enrolled(store, "a", None)
    kept = photo(b"second")
    made = store.add_reference(replace(new("a", 1), photo=kept), AUDIT, None, reply, max_references=2)
    assert isinstance(made, Stored)
    assert look(store, made.reference.reference_id).photo == kept


def test_a_photo_is_sealed_to_its_reference_and_its_time(store: SqlStore) -> None:
    first, second = enrolled(store, "a", photo(b"\xff\xd8 a face")), enrolled(store, "b", photo(b"another"))
    with store.database.reading() as connection:
        rows = connection.rows("SELECT data FROM photo ORDER BY reference_id")
    assert not any(b"face" in bytes(data) or b"another" in bytes(data) for (data,) in rows)
    for forged in (
        f"UPDATE photo SET kept_until = kept_until + 1 WHERE reference_id = {first}",
        f"UPDATE photo SET data = (SELECT data FROM photo WHERE reference_id = {first})"
        f" WHERE reference_id = {second}",
    ):
        with store.database.writing() as connection:
            connection.execute(forged)
    for reference_id in (first, second):
        with pytest.raises(StoreUnavailable):
            look(store, reference_id)
