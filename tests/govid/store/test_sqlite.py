"""What SQLite alone does."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from govid.errors import StorageFull, StoreUnavailable
from govid.store.sqlite import SqliteDatabase, SqliteStore
from tests.govid.store.support import AUDIT, new, reply


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    yield store
    store.close()


def test_a_full_disk_refuses_writes_and_goes_on_reading(small_disk: Path) -> None:
    store = SqliteStore(small_disk / "var" / "govid.sqlite3")
    store.add_subject(new("a"), AUDIT, None, reply)
    (small_disk / "filler").write_bytes(bytes(shutil.disk_usage(small_disk).free))

    def fill() -> None:
        for number in range(1000):
            store.add_subject(new(f"full-{number}"), AUDIT, None, reply)

    with pytest.raises(StorageFull):
        fill()
    assert store.references("a")
    (small_disk / "filler").unlink()
    store.add_subject(new("after"), AUDIT, None, reply)
    store.close()


def test_a_full_file_refuses_writes_and_goes_on_reading(store: SqliteStore) -> None:
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


def test_what_a_reader_kept_in_the_log_is_erased_by_a_later_write(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.store.sqlite.SCRUB_SECONDS", 0.0)
    log = tmp_path / "var" / "govid.sqlite3-wal"
    store.add_subject(new("a"), AUDIT, None, reply)
    with closing(sqlite3.connect(tmp_path / "var" / "govid.sqlite3", isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM subject").fetchall()
        store.delete_subject("a", AUDIT, None, lambda _: b"")
        store.append_audit(AUDIT)
        assert log.stat().st_size > 0
    store.append_audit(AUDIT)
    assert log.stat().st_size == 0
    store.append_audit(AUDIT)
    assert log.stat().st_size > 0, "once is enough"


def test_a_file_that_another_process_is_making_is_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "govid.sqlite3"
    maker = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    maker.execute("BEGIN IMMEDIATE")
    threading.Timer(0.2, maker.close).start()
    SqliteStore(path).close()


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
        store.delete_subject("a", AUDIT, None, lambda _: b"")
        log = tmp_path / "var" / "govid.sqlite3-wal"
        assert log.stat().st_size > 0
    assert store.counts().references == 0
