"""What every record store does, on each of them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from govid import template as codec
from govid.errors import (
    GovidError,
    IdempotencyKeyReused,
    StoreUnavailable,
    SubjectExists,
    SubjectHeld,
    TooManyReferences,
    UnknownSubject,
)
from govid.store import Change, Gate, Idempotency, Replayed, Stored, SubjectRecord, Suspicion, bulk
from govid.store.erasures import Erased
from govid.store.records import SqlStore
from govid.types import Reference
from tests.govid.store.support import AUDIT, QUALITY, OpenStore, new, reply


def at_once(*calls: Callable[[], object]) -> list[object]:
    """What each call returned or raised, all begun at the same moment."""
    barrier = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        barrier.wait(timeout=30)
        try:
            return call()
        except GovidError as error:
            return error

    with ThreadPoolExecutor(len(calls)) as threads:
        return list(threads.map(run, calls))


def enrolled(store: SqlStore, subject: str, seed: int = 0, **options: object) -> Reference:
    made = store.add_subject(new(subject, seed), AUDIT, None, reply, **options)  # type: ignore[arg-type]
    assert isinstance(made, Stored)
    return made.reference


def holding(*suspicions: Suspicion) -> Gate:
    return Gate(seen=0, judge=lambda _: suspicions)


def test_what_is_written_is_there_after_reopening(store: SqlStore, open_store: OpenStore) -> None:
    written = enrolled(store, "a", 3)
    store.close()
    again = open_store()
    (read,) = again.references("a")
    assert (read.reference_id, read.quality) == (written.reference_id, QUALITY)
    assert read.created_at == written.created_at
    np.testing.assert_array_equal(read.template.embedding, written.template.embedding)
    assert again.counts().audit_records == 1
    assert again.identity == store.identity


def test_a_closed_store_says_so(store: SqlStore) -> None:
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.counts()


def test_a_subject_is_created_once_and_deleted_whole(store: SqlStore) -> None:
    enrolled(store, "a")
    store.add_reference(new("a", 1), AUDIT, None, reply, max_references=2)
    assert [type(t.embedding) for t in store.templates("a")] == [np.ndarray, np.ndarray]
    with pytest.raises(SubjectExists):
        store.add_subject(new("a"), AUDIT, None, reply)
    with pytest.raises(TooManyReferences):
        store.add_reference(new("a"), AUDIT, None, reply, max_references=2)
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    for call in (store.subject, store.references, store.templates):
        with pytest.raises(UnknownSubject):
            call("a")
    with pytest.raises(UnknownSubject):
        store.delete_subject("a", AUDIT, None, lambda _: b"")
    with pytest.raises(UnknownSubject):
        store.add_reference(new("a"), AUDIT, None, reply, max_references=2)
    assert store.counts().references == 0


def test_subjects_come_in_the_order_of_their_bytes(store: SqlStore) -> None:
    names = ["B", "a", "Z-1", "é", "张伟", "b", "_", "😀", "ab", "a b", "ａ"]
    for name in names:
        enrolled(store, name)
    in_order = sorted(names, key=str.encode)
    assert store.subjects(after="", limit=99) == in_order
    assert store.subjects(after="a", limit=2) == in_order[in_order.index("a") + 1 :][:2]


def test_the_newest_audit_row_is_known_again(store: SqlStore) -> None:
    assert store.audit_head() == (0, "")
    enrolled(store, "a")
    first = store.audit_head()
    enrolled(store, "b")
    audit_id, digest = store.audit_head()
    assert (audit_id, digest) > first
    assert store.has_audit(0, "")
    assert store.has_audit(*first)
    assert store.has_audit(audit_id, digest)
    assert not store.has_audit(audit_id, first[1])
    assert not store.has_audit(audit_id + 1, digest)


def test_only_active_references_are_counted_as_such(store: SqlStore) -> None:
    assert store.active_references() == 0
    first = enrolled(store, "a")
    enrolled(store, "b", gate=holding(Suspicion("a", first.reference_id, 0.9)))
    assert (store.active_references(), store.counts().references) == (1, 2)


def test_a_failed_write_leaves_no_audit_record_and_no_key(store: SqlStore) -> None:
    enrolled(store, "a")
    with pytest.raises(SubjectExists):
        store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert store.counts().audit_records == 1
    assert store.recall(Idempotency("k", "d")) is None


def test_an_error_in_the_callers_code_leaves_nothing(store: SqlStore) -> None:
    def broken(*_: object) -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), broken)
    assert (store.counts().subjects, store.counts().audit_records) == (0, 0)
    enrolled(store, "a")


def test_a_key_replays_its_reply_and_refuses_another_request(store: SqlStore) -> None:
    first = store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert isinstance(first, Stored)
    again = store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert again == Replayed(reply(first.reference, None)) == store.recall(Idempotency("k", "d"))
    with pytest.raises(IdempotencyKeyReused):
        store.add_subject(new("b"), AUDIT, Idempotency("k", "other"), reply)


@pytest.mark.parametrize("number", range(5))
def test_two_requests_under_one_key_at_once_are_one(store: SqlStore, number: int) -> None:
    key = Idempotency(f"k-{number}", "d")
    outcomes = at_once(*[lambda: store.add_subject(new("a"), AUDIT, key, reply)] * 4)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [*["Replayed"] * 3, "Stored"]
    deletions = at_once(
        *[lambda: store.delete_subject("a", AUDIT, Idempotency("gone", "d"), lambda _: b"gone")] * 4
    )
    assert sorted(type(outcome).__name__ for outcome in deletions) == ["Erased", *["Replayed"] * 3]
    assert store.counts().audit_records == 2


def test_two_requests_for_the_last_place_get_one(store: SqlStore) -> None:
    enrolled(store, "a")
    outcomes = at_once(
        *[lambda: store.add_reference(new("a", 1), AUDIT, None, reply, max_references=2)] * 4,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Stored", *["TooManyReferences"] * 3]


def test_a_subject_enrolled_by_two_at_once_exists_once(store: SqlStore) -> None:
    outcomes = at_once(*[lambda: store.add_subject(new("a"), AUDIT, None, reply)] * 4)
    assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Stored", *["SubjectExists"] * 3]
    assert store.counts().references == 1


def test_deleting_while_adding_leaves_no_reference_without_a_subject(store: SqlStore) -> None:
    for round_number in range(10):
        enrolled(store, "a")
        outcomes = at_once(
            lambda: store.add_reference(new("a", 1), AUDIT, None, reply, max_references=9),
            lambda: store.delete_subject("a", AUDIT, None, lambda _: b""),
        )
        assert isinstance(outcomes[0], Stored | UnknownSubject), round_number
        assert isinstance(outcomes[1], Erased)
    assert store.counts().references == 0
    assert list(store.all_templates()[1]) == []


def test_changes_tell_another_process_what_came_and_went(store: SqlStore) -> None:
    enrolled(store, "a")
    sequence, templates = store.all_templates()
    assert len(list(templates)) == 1
    b = enrolled(store, "b")
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    came, went = store.changes(after=sequence, limit=10)
    assert came.reference_id == b.reference_id
    assert came.template is not None
    assert went.template is None
    assert store.changes(after=went.sequence, limit=10) == []
    assert [reference_id for reference_id, _ in store.all_templates()[1]] == [b.reference_id]


def test_all_templates_are_of_one_moment_and_hold_nobody_up(store: SqlStore, open_store: OpenStore) -> None:
    other = open_store()
    made = [enrolled(store, f"{number:03}").reference_id for number in range(50)]
    sequence, templates = store.all_templates()
    seen = [next(templates)[0]]
    enrolled(other, "later")
    other.delete_subject("049", AUDIT, None, lambda _: b"")
    seen += [reference_id for reference_id, _ in templates]
    assert seen == made
    assert [change.template is None for change in store.changes(after=sequence, limit=9)] == [False, True]
    # Begun and given up: its connection is as good as new.
    next(store.all_templates()[1])
    enrolled(store, "after")


def test_a_reader_sees_every_change_once_and_in_order(open_store: OpenStore) -> None:
    writers, each = 8, 15
    done = threading.Event()
    store = open_store()

    def write(number: int) -> list[int]:
        rng = random.Random(number)
        made = []

        def slowly(reference: Reference, _: int | None) -> bytes:
            time.sleep(rng.uniform(0, 0.004))  # between the number of a change and its commit
            return b""

        for step in range(each):
            key = Idempotency(f"{number}-{step}", "d")
            stored = store.add_subject(new(f"{number}-{step}"), AUDIT, key, slowly)
            assert isinstance(stored, Stored)
            made.append(stored.reference.reference_id)
        return made

    def read() -> list[int]:
        mine, after, seen = open_store(), 0, []
        while True:
            last = done.is_set()
            for change in mine.changes(after=after, limit=7):
                assert change.sequence > after
                after = change.sequence
                seen.append(change.reference_id)
            if last and not mine.changes(after=after, limit=1):
                return seen

    with ThreadPoolExecutor(writers + 2) as threads:
        readers = [threads.submit(read) for _ in range(2)]
        try:
            made = sorted(i for part in threads.map(write, range(writers)) for i in part)
        finally:
            done.set()
        assert len(made) == writers * each
        for reader in readers:
            assert sorted(reader.result()) == made


def test_a_held_subject_is_known_and_not_active(store: SqlStore) -> None:
    known = enrolled(store, "known")
    sequence, _ = store.all_templates()
    suspicion = Suspicion("known", known.reference_id, 0.8)
    held = enrolled(store, "held", 1, groups=["north"], gate=holding(suspicion))
    assert store.subject("held").held
    assert store.subjects(after="", limit=9) == ["held", "known"]
    assert len(store.references("held")) == 1
    with pytest.raises(SubjectHeld):
        store.templates("held")
    with pytest.raises(SubjectHeld):
        store.add_reference(new("held"), AUDIT, None, reply, max_references=9)
    assert store.owners([known.reference_id, held.reference_id, 999]) == {known.reference_id: "known"}
    assert store.reference_ids(subjects=["held", "known"], groups=["north"]).tolist() == [known.reference_id]
    assert store.changes(after=sequence, limit=9) == []
    assert [i for i, _ in store.all_templates()[1]] == [known.reference_id]
    store.delete_subject("held", AUDIT, None, lambda _: b"")
    with pytest.raises(UnknownSubject):
        store.subject("held")


def test_of_enrolments_at_once_each_gate_sees_those_before_it(store: SqlStore) -> None:
    def enrol(number: int) -> list[str | None]:
        seen: list[str | None] = []

        def judge(changes: Sequence[Change]) -> tuple[Suspicion, ...]:
            seen.extend(change.subject_id for change in changes)
            return ()

        store.add_subject(new(f"{number}"), AUDIT, None, reply, gate=Gate(0, judge))
        return seen

    outcomes = at_once(*[lambda number=number: enrol(number) for number in range(6)])  # type: ignore[misc]
    assert sorted(len(seen) for seen in outcomes if isinstance(seen, list)) == list(range(6))


def test_writers_with_and_without_a_gate_do_not_lock_each_other_out(
    store: SqlStore,
) -> None:
    for _ in range(10):
        gated = [lambda: store.add_subject(new("a"), AUDIT, None, reply, gate=holding())] * 2
        outcomes = at_once(*gated, *[lambda: store.add_subject(new("a"), AUDIT, None, reply)] * 2)
        assert sorted(type(outcome).__name__ for outcome in outcomes) == ["Stored", *["SubjectExists"] * 3]
        store.delete_subject("a", AUDIT, None, lambda _: b"")


def incoming(subject: str, seed: int) -> bulk.Incoming:
    made = new(subject, seed)
    return bulk.Incoming(
        subject_id=subject,
        groups=("north",),
        add=False,
        model_id=made.template.model_id,
        embedding=codec.pack(made.template),
        quality="[]",
        created_at=made.created_at,
    )


def test_imports_and_enrolments_of_the_same_subjects_do_not_lock_each_other_out(store: SqlStore) -> None:
    def put(seed: int) -> list[bulk.Placed | GovidError]:
        with store.database.writing() as connection:
            batch = [incoming(f"{number}", seed + number) for number in range(20)]
            return [*bulk.insert(connection, store.vault, batch, max_references=9)]

    for seed in range(0, 500, 50):
        enrolments = [
            lambda n=number: store.add_subject(new(f"{n}"), AUDIT, None, reply) for number in (3, 15)
        ]  # type: ignore[misc]
        outcomes = at_once(lambda: put(seed), lambda: put(seed + 20), *enrolments)  # noqa: B023 - run at once
        kinds = [type(o).__name__ for o in outcomes[2:]]
        kinds += [type(o).__name__ for some in outcomes[:2] if isinstance(some, list) for o in some]
        made = [kind for kind in kinds if kind in {"Placed", "Stored"}]
        assert (len(made), len(kinds)) == (20, 42), outcomes
        for number in range(20):
            assert len(store.references(f"{number}")) == 1
            store.delete_subject(f"{number}", AUDIT, None, lambda _: b"")


def test_an_import_that_comes_again_finds_what_it_stored(store: SqlStore) -> None:
    batch = [incoming(f"{number}", number) for number in range(700)]
    for is_new in (True, False):
        with store.database.writing() as connection:
            placed = bulk.insert(connection, store.vault, batch, max_references=2)
        assert [one.is_new for one in placed if isinstance(one, bulk.Placed)] == [is_new] * 700
    assert len(store.changes(after=0, limit=999)) == len(list(store.all_templates()[1])) == 700


def test_a_case_is_opened_with_what_holds_a_subject(store: SqlStore) -> None:
    a, b = enrolled(store, "a"), enrolled(store, "b")
    gate = holding(Suspicion("a", a.reference_id, 0.75), Suspicion("b", b.reference_id, 0.5))
    replies = []

    def keep(reference: Reference, case_id: int | None) -> bytes:
        replies.append(case_id)
        return reply(reference, case_id)

    c = store.add_subject(new("c"), AUDIT, Idempotency("k", "d"), keep, gate=gate)
    assert isinstance(c, Stored)
    assert c.case_id is not None
    with store.database.reading() as connection:
        ((origin, closed),) = connection.rows("SELECT origin, closed_at FROM duplicate_case")
        subjects = connection.rows("SELECT subject_id FROM case_subject ORDER BY subject_id")
        pairs = connection.rows(
            "SELECT subject_a, subject_b, reference_a, reference_b, score FROM case_pair ORDER BY score"
        )
    assert (origin, closed, replies) == ("enrolment", None, [c.case_id])
    assert [row[0] for row in subjects] == ["a", "b", "c"]
    assert pairs == [
        ("b", "c", b.reference_id, c.reference.reference_id, 0.5),
        ("a", "c", a.reference_id, c.reference.reference_id, 0.75),
    ]
    assert store.recall(Idempotency("k", "d")) == Replayed(reply(c.reference, c.case_id))


def test_groups_restrict_a_search(store: SqlStore) -> None:
    made = {name: enrolled(store, name, groups=groups).reference_id for name, groups in (
        ("a", ["north"]), ("b", ["south", "north", "south"]), ("c", []),
    )}  # fmt: skip
    assert store.subject("b") == SubjectRecord("b", store.subject("b").created_at, False, ("north", "south"))
    assert store.reference_ids(groups=["south"]).tolist() == [made["b"]]
    everyone = store.reference_ids(subjects=["c", "b", "nobody"], groups=["north", "none"])
    assert everyone.tolist() == sorted(made.values())
    assert everyone.dtype == np.int64
    assert store.reference_ids().tolist() == []
    many = [f"nobody-{number}" for number in range(1200)]
    assert store.reference_ids(subjects=[*many, "a"]).tolist() == [made["a"]]
    assert len(store.owners([*range(2000, 3200), *made.values()])) == 3


def test_a_shared_gallery_keeps_its_position(store: SqlStore, open_store: OpenStore) -> None:
    assert store.gallery_position("milvus") is None
    store.set_gallery_position("milvus", 7)
    store.set_gallery_position("milvus", 1 << 40)
    assert open_store().gallery_position("milvus") == 1 << 40


def test_threads_write_without_losing_anything(store: SqlStore) -> None:
    def write(worker: int) -> None:
        for number in range(25):
            store.add_subject(new(f"{worker}-{number}"), AUDIT, None, reply)
            store.references(f"{worker}-{number}")

    with ThreadPoolExecutor(12) as threads:
        list(threads.map(write, range(12)))
    assert store.counts().subjects == store.counts().audit_records == 300


def test_two_processes_share_the_records(store: SqlStore, open_store: OpenStore) -> None:
    other = open_store()
    enrolled(store, "a")
    assert other.references("a")
    enrolled(other, "b")
    assert store.subjects(after="", limit=9) == ["a", "b"]


def test_processes_that_start_at_once_make_one_store(open_store: OpenStore) -> None:
    stores = at_once(*[open_store] * 6)
    assert len({store.identity for store in stores if isinstance(store, SqlStore)}) == 1
    assert all(isinstance(store, SqlStore) for store in stores), stores


def test_templates_are_found_by_id_while_their_subject_is_there(store: SqlStore) -> None:
    for seed, name in enumerate("abc"):
        store.add_subject(new(name, seed), AUDIT, None, reply)
    (first, gone, last) = (store.references(name)[0] for name in "abc")
    store.delete_subject("b", AUDIT, None, lambda _: b"")
    ids = [first.reference_id, gone.reference_id, last.reference_id]
    found = store.templates_by_id([*ids * 400, 99])
    assert sorted(found) == [ids[0], ids[2]]
    np.testing.assert_array_equal(found[ids[2]].embedding, last.template.embedding)
