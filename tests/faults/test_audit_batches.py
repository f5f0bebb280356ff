"""Audit records that wait for the writer share one transaction, and one failure stays with who met it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from govid.audit import AuditRecord
from govid.errors import StoreUnavailable
from govid.store.sqlite import SqliteStore

WRITERS = 6


class Watched(SqliteStore):
    """A store that counts its transactions; the first ``failures`` of them fail."""

    def __init__(self, path: Path) -> None:
        self.begun = 0
        self.failures = 0
        super().__init__(path)

    def _begun(self) -> AbstractContextManager[object]:  # type: ignore[override]
        self.begun += 1
        if self.failures:
            self.failures -= 1
            return failing()
        return super()._begun()

    def append_many(self) -> list[Future[None]]:
        """Append ``WRITERS`` records from as many threads, all of which wait for the writer's lock."""
        self.begun = 0
        with ThreadPoolExecutor(WRITERS) as pool:
            with self._write_lock:
                futures = [pool.submit(self.append_audit, record(n)) for n in range(WRITERS)]
                while len(self._waiting) < WRITERS:
                    time.sleep(0.001)
            return futures


@contextmanager
def failing() -> Iterator[object]:
    raise StoreUnavailable("disk I/O error")
    yield


def record(number: int) -> AuditRecord:
    return AuditRecord(time=0.0, request_id=str(number), operation="verify", outcome="MATCH")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Watched]:
    store = Watched(tmp_path / "govid.sqlite3")
    yield store
    store.close()


def test_records_that_wait_together_are_committed_together(store: Watched) -> None:
    assert [future.result() for future in store.append_many()] == [None] * WRITERS
    assert store.begun == 1
    assert store.counts().audit_records == WRITERS


def test_a_failed_commit_fails_its_caller_and_nobody_else(store: Watched) -> None:
    store.failures = 1
    failed = [future for future in store.append_many() if future.exception()]
    assert len(failed) == 1
    with pytest.raises(StoreUnavailable):
        failed[0].result()
    assert store.counts().audit_records == WRITERS - 1
    store.append_audit(record(WRITERS))
    assert store.counts().audit_records == WRITERS, "nothing of the failed batch comes back later"


def test_each_record_is_there_when_its_call_returns(store: Watched) -> None:
    missing = []

    def write(number: int) -> None:
        for step in range(20):
            name = f"{number}-{step}"
            store.append_audit(record_named(name))
            (found,) = store._connection().execute(
                "SELECT count(*) FROM audit WHERE record LIKE ?", (f'%"{name}"%',)
            ).fetchone()  # fmt: skip
            if found != 1:
                missing.append(name)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert missing == []
    assert store.counts().audit_records == WRITERS * 20


def record_named(name: str) -> AuditRecord:
    return AuditRecord(time=0.0, request_id=name, operation="verify", outcome="MATCH")
