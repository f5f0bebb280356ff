"""A subject changes its groups and loses single references, in each store."""

from __future__ import annotations

import time
from dataclasses import replace

import msgspec
import pytest

from govid.errors import GovidError, LastReference, PhotoNotKept, UnknownReference, UnknownSubject
from govid.store import Idempotency, Replayed, Stored, held, records
from govid.store.audit import AuditFilter, AuditLog
from govid.store.erasures import Erased, Mark, marks
from govid.store.photos import KeptPhoto
from govid.store.records import SqlStore
from tests.govid.store.support import AUDIT, OpenStore, new, reply
from tests.govid.store.test_store import at_once, enrolled


def added(store: SqlStore, subject: str, seed: int) -> int:
    """One more reference with a photo; its id."""
    photo = KeptPhoto("image/jpeg", b"a face", time.time() + 1000)
    made = store.add_reference(replace(new(subject, seed), photo=photo), AUDIT, None, reply, max_references=9)
    assert isinstance(made, Stored)
    return made.reference.reference_id


def erase(store: SqlStore, subject: str, reference_id: int) -> Erased:
    erased = store.delete_reference(subject, reference_id, AUDIT, None, lambda _: b"")
    assert isinstance(erased, Erased)
    return erased


def newest(store: SqlStore) -> str | None:
    (row,) = AuditLog(store.database).rows(AuditFilter(), limit=1)
    return row.record.note


def test_groups_are_replaced_for_everybody_and_the_audit_says_so(
    store: SqlStore, open_store: OpenStore
) -> None:
    a, b = (enrolled(store, name, groups=["north"]).reference_id for name in "ab")
    other = open_store()
    store.set_groups("a", ["south", "east", "south"], AUDIT)
    assert newest(store) == '["north"] -> ["east","south"]'
    assert other.subject("a").groups == ("east", "south")
    assert other.reference_ids(groups=["north"]).tolist() == [b]
    assert other.reference_ids(groups=["south"]).tolist() == [a]
    for _ in range(2):
        store.set_groups("a", [], AUDIT)
        assert store.subject("a").groups == ()
    assert newest(store) == "[] -> []"
    assert store.counts().audit_records == 5
    with pytest.raises(UnknownSubject):
        store.set_groups("nobody", ["north"], AUDIT)
    assert store.counts().audit_records == 5


def test_of_changes_at_once_one_holds_whole_and_none_waits_for_ever(store: SqlStore) -> None:
    for _ in range(5):
        enrolled(store, "a", groups=["first"])
        choices = [["x", "y"], ["y", "z"], []]
        outcomes = at_once(
            *[lambda some=some: store.set_groups("a", some, AUDIT) for some in choices],  # type: ignore[misc]
            lambda: added(store, "a", 1),
        )
        assert [outcome for outcome in outcomes if isinstance(outcome, GovidError)] == []
        assert list(store.subject("a").groups) in choices
        outcomes = at_once(
            *[lambda some=some: store.set_groups("a", some, AUDIT) for some in choices],  # type: ignore[misc]
            lambda: store.delete_subject("a", AUDIT, None, lambda _: b""),
        )
        assert {type(one) for one in outcomes} <= {type(None), UnknownSubject, Erased}
        with store.database.reading() as connection:
            assert connection.rows("SELECT * FROM subject_group") == []


def test_one_reference_goes_with_its_photo_and_the_others_stay(
    store: SqlStore, open_store: OpenStore
) -> None:
    first, second = enrolled(store, "a").reference_id, added(store, "a", 1)
    sequence = store.newest_change()
    gone = erase(store, "a", second)
    assert (gone.reference_id, gone.references, gone.photos) == (second, 1, 1)
    other = open_store()
    assert [one.reference_id for one in other.references("a")] == [first]
    assert list(other.templates_of("a")) == [first]
    (change,) = other.changes(after=sequence, limit=9)
    assert (change.reference_id, change.template) == (second, None)
    assert [reference_id for reference_id, _ in other.all_templates()[1]] == [first]
    with store.database.reading() as connection:
        assert marks(connection) == {Mark(gone.fingerprint, second, gone.enrolled_at)}
        (remembered,) = held.erasures(connection, "a")
        with pytest.raises(PhotoNotKept):
            store.photos.of_reference(connection, second)
    assert (remembered.reference_id, remembered.references, remembered.photos) == (second, 1, 1)


def test_no_other_reference_and_not_the_last_one_is_deleted(store: SqlStore) -> None:
    mine, second = enrolled(store, "a").reference_id, added(store, "a", 1)
    others = enrolled(store, "b").reference_id
    before = store.counts()
    for subject, reference_id in (("a", others), ("b", mine), ("nobody", mine), ("a", 0), ("a", 2**70)):
        with pytest.raises(UnknownReference):
            erase(store, subject, reference_id)
    with pytest.raises(LastReference):
        erase(store, "b", others)
    assert store.counts() == before
    erase(store, "a", mine)
    with pytest.raises(UnknownReference):
        erase(store, "a", mine)
    with pytest.raises(LastReference):
        erase(store, "a", second)


def test_of_the_last_two_deleted_at_once_one_stays(store: SqlStore) -> None:
    for _ in range(5):
        both = enrolled(store, "a").reference_id, added(store, "a", 1)
        outcomes = at_once(*[lambda one=one: erase(store, "a", one) for one in both])  # type: ignore[misc]
        assert {type(outcome) for outcome in outcomes} == {Erased, LastReference}
        assert len(store.references("a")) == 1
        store.delete_subject("a", AUDIT, None, lambda _: b"")


def test_a_key_gives_the_first_answer_again(store: SqlStore) -> None:
    enrolled(store, "a")
    second = added(store, "a", 1)
    key = Idempotency("k", "d")
    first = store.delete_reference("a", second, AUDIT, key, lambda _: b"gone")
    again = store.delete_reference("a", second, AUDIT, key, lambda _: b"")
    assert isinstance(first, Erased)
    assert again == Replayed(b"gone")


def test_a_failure_half_way_loses_nothing(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    enrolled(store, "a", groups=["north"])
    second = added(store, "a", 1)
    sequence, before = store.newest_change(), store.counts()

    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.delete_reference("a", second, AUDIT, Idempotency("k", "d"), broken)
    monkeypatch.setattr(records, "append_audit", broken)
    for call in (lambda: store.set_groups("a", ["south"], AUDIT), lambda: erase(store, "a", second)):
        with pytest.raises(ZeroDivisionError):
            call()
    assert store.subject("a").groups == ("north",)
    assert (store.newest_change(), store.counts()) == (sequence, before)
    assert second in store.templates_of("a")
    with store.database.reading() as connection:
        assert marks(connection) == set()
        assert store.photos.of_reference(connection, second).photo.data == b"a face"


def test_nothing_is_decided_by_a_reference_that_is_gone(store: SqlStore) -> None:
    first, second = enrolled(store, "a").reference_id, added(store, "a", 1)
    decided = msgspec.structs.replace(AUDIT, subject_id="a")
    store.append_audit(decided, compared=[first, second])
    erase(store, "a", second)
    before = store.counts()
    with pytest.raises(UnknownReference):
        store.append_audit(decided, compared=[first, second])
    assert store.counts() == before
    store.append_audit(decided, compared=[first])
    # Another person under the same name.
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    enrolled(store, "a", 5)
    with pytest.raises(UnknownReference):
        store.append_audit(decided, compared=[first])
    store.append_audit(decided, compared=())
