"""The embedded record store: one SQLite file, safe against a crash at any moment.

WAL lets readers go on while one writer commits; ``synchronous=FULL`` makes a returned commit survive
power loss. Several processes may share the file on one machine.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from govid import template as codec
from govid.audit import AuditRecord
from govid.config import private_folder
from govid.errors import (
    IdempotencyKeyReused,
    InvalidSettings,
    StorageFull,
    StoreUnavailable,
    SubjectExists,
    TooManyReferences,
    UnknownSubject,
)
from govid.store import Change, Counts, Idempotency, NewReference, Replayed, SubjectRecord
from govid.types import QualityMeasure, Reference, Template

# One entry per schema version; a file is brought forward entry by entry and never back.
MIGRATIONS = (
    """
    CREATE TABLE subject (
        subject_id TEXT PRIMARY KEY,
        created_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE reference (
        reference_id INTEGER PRIMARY KEY AUTOINCREMENT,
        subject_id TEXT NOT NULL REFERENCES subject ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        embedding BLOB NOT NULL,
        quality TEXT NOT NULL,
        created_at REAL NOT NULL
    );
    CREATE INDEX reference_subject ON reference (subject_id);
    CREATE TABLE gallery_change (
        sequence INTEGER PRIMARY KEY AUTOINCREMENT,
        reference_id INTEGER NOT NULL
    );
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        request_digest TEXT NOT NULL,
        reply BLOB NOT NULL,
        created_at REAL NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX idempotency_age ON idempotency (created_at);
    CREATE TABLE audit (
        audit_id INTEGER PRIMARY KEY AUTOINCREMENT,
        record TEXT NOT NULL
    );
    """,
    """
    CREATE TABLE store (identity TEXT NOT NULL);
    INSERT INTO store VALUES (lower(hex(randomblob(16))))
    """,
)
IDEMPOTENCY_SECONDS = 24 * 3600
BUSY_SECONDS = 10
_REFERENCE = "reference_id, subject_id, model_id, embedding, quality, created_at"


class _Connection(sqlite3.Connection):
    """Closed when its thread ends: a caller with a thread per request must not run out of files."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class SqliteStore:
    """``govid.store.Store`` in one SQLite file."""

    def __init__(self, path: Path) -> None:
        """Open or create the file and bring its schema forward.

        Raises:
            StoreUnavailable: the folder or file cannot be used, or was written by a newer govid.
        """
        self._path = path
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._write_lock = threading.Lock()
        self._closed = False
        try:
            private_folder(path.parent)
            path.touch(mode=0o600, exist_ok=True)
        except InvalidSettings as error:
            raise StoreUnavailable(error.detail) from None
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from None
        self._migrate()

    # --- writes -------------------------------------------------------------------------------------

    def recall(self, idempotency: Idempotency) -> Replayed | None:
        with _translated():
            row = self._connection().execute(
                "SELECT request_digest, reply FROM idempotency WHERE key = ? AND created_at >= ?",
                (idempotency.key, time.time() - IDEMPOTENCY_SECONDS),
            ).fetchone()  # fmt: skip
        if row is None:
            return None
        if row[0] != idempotency.request_digest:
            raise IdempotencyKeyReused
        return Replayed(row[1])

    def add_subject(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: Callable[[Reference], bytes],
    ) -> Reference | Replayed:
        with self._transaction() as connection:
            if idempotency and (replayed := self.recall(idempotency)):
                return replayed
            try:
                connection.execute("INSERT INTO subject VALUES (?, ?)", (new.subject_id, new.created_at))
            except sqlite3.IntegrityError:
                raise SubjectExists from None
            return self._insert_reference(connection, new, audit, idempotency, reply)

    def add_reference(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: Callable[[Reference], bytes],
        *,
        max_references: int,
    ) -> Reference | Replayed:
        with self._transaction() as connection:
            if idempotency and (replayed := self.recall(idempotency)):
                return replayed
            held = connection.execute(
                "SELECT count(reference_id) FROM subject LEFT JOIN reference USING (subject_id)"
                " WHERE subject_id = ? GROUP BY subject_id",
                (new.subject_id,),
            ).fetchone()
            if held is None:
                raise UnknownSubject
            if held[0] >= max_references:
                raise TooManyReferences(f"{held[0]} references, at most {max_references}")
            return self._insert_reference(connection, new, audit, idempotency, reply)

    def delete_subject(
        self, subject_id: str, audit: AuditRecord, idempotency: Idempotency | None, reply: bytes
    ) -> Replayed | None:
        with self._transaction() as connection:
            if idempotency and (replayed := self.recall(idempotency)):
                return replayed
            connection.execute(
                "INSERT INTO gallery_change (reference_id)"
                " SELECT reference_id FROM reference WHERE subject_id = ? ORDER BY reference_id",
                (subject_id,),
            )
            gone = connection.execute("DELETE FROM subject WHERE subject_id = ?", (subject_id,))
            if not gone.rowcount:
                raise UnknownSubject
            _append_audit(connection, audit)
            _remember(connection, idempotency, reply)
        self._empty_log()
        return None

    def _empty_log(self) -> None:
        """What was erased must not live on in the write-ahead log.

        Where a reader holds the log, the next deletion or the closing of the store does it: nobody waits
        for it, and the deletion is committed whatever comes of it.
        """
        connection = self._connection()
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.OperationalError:
            pass
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")

    def append_audit(self, record: AuditRecord) -> None:
        with self._transaction() as connection:
            _append_audit(connection, record)

    # --- reads --------------------------------------------------------------------------------------

    def subject(self, subject_id: str) -> SubjectRecord:
        with _translated():
            row = self._connection().execute(
                "SELECT subject_id, created_at FROM subject WHERE subject_id = ?", (subject_id,)
            ).fetchone()  # fmt: skip
        if row is None:
            raise UnknownSubject
        return SubjectRecord(*row)

    def subjects(self, *, after: str, limit: int) -> list[SubjectRecord]:
        with _translated():
            rows = self._connection().execute(
                "SELECT subject_id, created_at FROM subject WHERE subject_id > ? ORDER BY subject_id LIMIT ?",
                (after, limit),
            )
            return [SubjectRecord(*row) for row in rows]

    def references(self, subject_id: str) -> list[Reference]:
        with _translated():
            rows = self._connection().execute(
                f"SELECT {_REFERENCE} FROM reference WHERE subject_id = ? ORDER BY reference_id",  # noqa: S608
                (subject_id,),
            ).fetchall()  # fmt: skip
        if not rows:
            raise UnknownSubject
        return [_reference(row) for row in rows]

    def owners(self, reference_ids: Sequence[int]) -> dict[int, str]:
        marks = ",".join("?" * len(reference_ids))
        with _translated():
            return dict(
                self._connection().execute(
                    f"SELECT reference_id, subject_id FROM reference WHERE reference_id IN ({marks})",  # noqa: S608
                    [int(reference_id) for reference_id in reference_ids],
                )
            )

    def all_templates(self) -> tuple[int, Iterator[tuple[int, Template]]]:
        connection = self._connection()
        with _translated():
            sequence = _last_sequence(connection)
            # A change between the two statements is seen twice and applied once: adding a known id and
            # removing an unknown one are both without effect in a gallery.
            rows = connection.execute("SELECT reference_id, model_id, embedding FROM reference")

        def templates() -> Iterator[tuple[int, Template]]:
            with _translated():
                for reference_id, model_id, data in rows:
                    yield reference_id, codec.stored(model_id, data, reference_id)

        return sequence, templates()

    def changes(self, *, after: int) -> list[Change]:
        with _translated():
            rows = self._connection().execute(
                "SELECT sequence, gallery_change.reference_id, model_id, embedding FROM gallery_change"
                " LEFT JOIN reference USING (reference_id) WHERE sequence > ? ORDER BY sequence",
                (after,),
            )
            return [
                Change(
                    sequence,
                    reference_id,
                    None if model_id is None else codec.stored(model_id, data, reference_id),
                )
                for sequence, reference_id, model_id, data in rows
            ]

    def identity(self) -> str:
        with _translated():
            (identity,) = self._connection().execute("SELECT identity FROM store").fetchone()
        return str(identity)

    def ping(self) -> None:
        with _translated():
            self._connection().execute("SELECT 1 FROM subject LIMIT 1").fetchone()

    def counts(self) -> Counts:
        with _translated():
            return Counts(
                *(
                    self._connection().execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
                    for table in ("subject", "reference", "audit")
                )
            )

    def close(self) -> None:
        self._closed = True
        with self._write_lock:
            for connection in list(self._open):
                connection.close()

    # --- inside -------------------------------------------------------------------------------------

    def _insert_reference(
        self,
        connection: sqlite3.Connection,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: Callable[[Reference], bytes],
    ) -> Reference:
        cursor = connection.execute(
            "INSERT INTO reference (subject_id, model_id, embedding, quality, created_at)"
            " VALUES (?, ?, ?, ?, ?)",
            (
                new.subject_id,
                new.template.model_id,
                codec.pack(new.template),
                msgspec.json.encode(new.quality).decode(),
                new.created_at,
            ),
        )
        reference_id = int(cursor.lastrowid or 0)
        connection.execute("INSERT INTO gallery_change (reference_id) VALUES (?)", (reference_id,))
        reference = Reference(reference_id, new.subject_id, new.template, new.quality, new.created_at)
        _append_audit(connection, audit)
        _remember(connection, idempotency, reply(reference))
        return reference

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection: SQLite's are cheap, and readers then never wait for the writer."""
        if self._closed:
            raise StoreUnavailable("the store is closed")
        connection: _Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            for pragma in (
                "journal_mode = WAL",
                "synchronous = FULL",
                "foreign_keys = ON",
                # Erased templates are overwritten, not only unlinked.
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            self._local.connection = connection
            self._open.add(connection)
        return connection

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._write_lock, _translated():
            connection = self._connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                # Still inside means that the block or the commit failed: nothing half-written stays.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def _migrate(self) -> None:
        with self._transaction() as connection:
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version > len(MIGRATIONS):
                raise StoreUnavailable(f"{self._path}: written by a newer govid (schema {version})")
            for migration in MIGRATIONS[version:]:
                for statement in migration.split(";"):
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def _append_audit(connection: sqlite3.Connection, record: AuditRecord) -> None:
    connection.execute("INSERT INTO audit (record) VALUES (?)", (msgspec.json.encode(record).decode(),))


def _remember(connection: sqlite3.Connection, idempotency: Idempotency | None, reply: bytes) -> None:
    if idempotency is None:
        return
    now = time.time()
    connection.execute("DELETE FROM idempotency WHERE created_at < ?", (now - IDEMPOTENCY_SECONDS,))
    connection.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
        (idempotency.key, idempotency.request_digest, reply, now),
    )


def _last_sequence(connection: sqlite3.Connection) -> int:
    (sequence,) = connection.execute("SELECT coalesce(max(sequence), 0) FROM gallery_change").fetchone()
    return int(sequence)


def _reference(row: tuple[int, str, str, bytes, str, float]) -> Reference:
    reference_id, subject_id, model_id, data, quality, created_at = row
    return Reference(
        reference_id,
        subject_id,
        codec.stored(model_id, data, reference_id),
        msgspec.json.decode(quality, type=tuple[QualityMeasure, ...]),
        created_at,
    )


@contextmanager
def _translated() -> Iterator[None]:
    """SQLite's errors in govid's words."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_FULL:
            raise StorageFull from error
        raise StoreUnavailable(str(error)) from error
    except sqlite3.Error as error:
        raise StoreUnavailable(str(error)) from error
