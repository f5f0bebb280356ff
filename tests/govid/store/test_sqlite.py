from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from govid.audit import AuditRecord
from govid.errors import (
    IdempotencyKeyReused,
    StorageFull,
    StoreUnavailable,
    SubjectExists,
    TooManyReferences,
    UnknownSubject,
)
from govid.store import Idempotency, NewReference, Replayed, Stored
from govid.store.sqlite import SqliteDatabase, SqliteStore
from govid.types import QualityMeasure, Reference, Template

AUDIT = AuditRecord(time=1.0, request_id="r", operation="enrol", outcome="ENROLLED")
QUALITY = (QualityMeasure(name="InterEyeDistance", raw=61.5, value=40),)


def new(subject: str, seed: int = 0, model_id: str = "m") -> NewReference:
    vector = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return NewReference(subject, Template(model_id, vector / np.linalg.norm(vector)), QUALITY, time.time())


def reply(reference: Reference, _: int | None) -> bytes:
    return b"reference %d" % reference.reference_id


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    yield store
    store.close()


def test_what_is_written_is_there_after_reopening(store: SqliteStore, tmp_path: Path) -> None:
    written = store.add_subject(new("a"), AUDIT, None, reply)
    store.close()
    again = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    (read,) = again.references("a")
    assert isinstance(written, Stored)
    assert (read.reference_id, read.quality) == (written.reference.reference_id, QUALITY)
    np.testing.assert_array_equal(read.template.embedding, written.reference.template.embedding)
    assert again.counts().audit_records == 1
    again.close()


def test_templates_are_found_by_id_while_their_subject_is_there(store: SqliteStore) -> None:
    for seed, name in enumerate("abc"):
        store.add_subject(new(name, seed), AUDIT, None, reply)
    (first, gone, last) = (store.references(name)[0] for name in "abc")
    store.delete_subject("b", AUDIT, None, b"")
    ids = [first.reference_id, gone.reference_id, last.reference_id]
    found = store.templates_by_id([*ids * 400, 99])
    assert sorted(found) == [ids[0], ids[2]]
    np.testing.assert_array_equal(found[ids[2]].embedding, last.template.embedding)


def test_a_subject_is_created_once_and_deleted_whole(store: SqliteStore) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    store.add_reference(new("a", 1), AUDIT, None, reply, max_references=2)
    with pytest.raises(SubjectExists):
        store.add_subject(new("a"), AUDIT, None, reply)
    with pytest.raises(TooManyReferences):
        store.add_reference(new("a"), AUDIT, None, reply, max_references=2)
    store.delete_subject("a", AUDIT, None, b"")
    for call in (store.subject, store.references):
        with pytest.raises(UnknownSubject):
            call("a")
    with pytest.raises(UnknownSubject):
        store.delete_subject("a", AUDIT, None, b"")
    with pytest.raises(UnknownSubject):
        store.add_reference(new("a"), AUDIT, None, reply, max_references=2)
    assert store.counts().references == 0


def test_a_failed_write_leaves_no_audit_record_and_no_key(store: SqliteStore) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    with pytest.raises(SubjectExists):
        store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert store.counts().audit_records == 1
    assert store.recall(Idempotency("k", "d")) is None


def test_a_key_replays_its_reply_and_refuses_another_request(store: SqliteStore) -> None:
    first = store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert isinstance(first, Stored)
    again = store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    assert again == Replayed(b"reference %d" % first.reference.reference_id)
    with pytest.raises(IdempotencyKeyReused):
        store.add_subject(new("b"), AUDIT, Idempotency("k", "other"), reply)


def test_changes_tell_another_process_what_came_and_went(store: SqliteStore) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    sequence, templates = store.all_templates()
    assert len(list(templates)) == 1
    b = store.add_subject(new("b", model_id="other"), AUDIT, None, reply)
    assert isinstance(b, Stored)
    store.delete_subject("a", AUDIT, None, b"")
    came, went = store.changes(after=sequence, limit=10)
    assert came.reference_id == b.reference.reference_id
    assert came.template is not None
    assert went.template is None
    assert store.changes(after=went.sequence, limit=10) == []
    assert [reference_id for reference_id, _ in store.all_templates()[1]] == [b.reference.reference_id]


def test_threads_write_without_losing_anything(store: SqliteStore) -> None:
    def write(worker: int) -> None:
        for number in range(25):
            store.add_subject(new(f"{worker}-{number}"), AUDIT, None, reply)
            store.references(f"{worker}-{number}")

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.counts().subjects == store.counts().audit_records == 100


def test_two_processes_share_one_file(store: SqliteStore, tmp_path: Path) -> None:
    other = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    store.add_subject(new("a"), AUDIT, None, reply)
    assert other.references("a")
    other.add_subject(new("b"), AUDIT, None, reply)
    assert store.subjects(after="", limit=9) == ["a", "b"]
    other.close()


def test_a_full_disk_refuses_writes_and_goes_on_reading(store: SqliteStore) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    assert isinstance(store.database, SqliteDatabase)
    connection = store.database.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages}")

    def fill() -> None:
        for number in range(1000):
            store.add_subject(new(f"full-{number}"), AUDIT, None, reply)

    with pytest.raises(StorageFull):
        fill()
    assert store.references("a")
    connection.execute("PRAGMA max_page_count = 1000000")
    store.add_subject(new("after"), AUDIT, None, reply)


def test_what_cannot_be_a_store_is_said(tmp_path: Path) -> None:
    (tmp_path / "garbage").write_bytes(b"this is not a database, and long enough to be looked at" * 50)
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "garbage")
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "file" / "govid.sqlite3")
    newer = tmp_path / "newer"
    with sqlite3.connect(newer) as connection:
        connection.execute("PRAGMA user_version = 999")
    with pytest.raises(StoreUnavailable, match="newer govid"):
        SqliteStore(newer)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StoreUnavailable):
        SqliteStore(tmp_path / "var" / "govid.sqlite3")


def test_a_deletion_waits_for_no_reader(store: SqliteStore, tmp_path: Path) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    with sqlite3.connect(tmp_path / "var" / "govid.sqlite3") as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM reference").fetchall()
        # It would otherwise wait for the reader, who is this same thread, until it gave up.
        store.delete_subject("a", AUDIT, None, b"")
        log = tmp_path / "var" / "govid.sqlite3-wal"
        assert log.stat().st_size > 0
    assert store.counts().references == 0
