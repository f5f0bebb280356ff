"""The embedded record store: one SQLite file, safe against a crash at any moment.

WAL lets readers go on while one writer commits; ``synchronous=FULL`` makes a returned commit survive
power loss. Several processes may share the file on one machine.
"""

from __future__ import annotations

import sqlite3
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType

from govid.config import private_folder
from govid.errors import InvalidSettings, StorageFull, StoreUnavailable
from govid.store.database import Row, Value
from govid.store.records import SqlStore
from govid.store.schema import migrate
from govid.vault.keys import FileKeys
from govid.vault.vault import Vault

BUSY_SECONDS = 10
SCRUB_SECONDS = 1.0
"""The least time between two attempts to empty the log while a reader holds it."""
# Only SQLite files are old enough to hold rows from before the audit had columns.
_DESCRIBE_OLD_AUDIT = (
    "UPDATE audit SET "
    + ", ".join(
        f"{name} = json_extract(record, '$.{name}')"
        for name in ("request_id", "time", "operation", "outcome", "use_case")
    )
    + "; INSERT INTO audit_subject SELECT json_extract(record, '$.subject_id'), audit_id FROM audit"
    " WHERE json_extract(record, '$.subject_id') IS NOT NULL"
)
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "serial": "INTEGER PRIMARY KEY AUTOINCREMENT",
        "integer": "INTEGER",
        "real": "REAL",
        "bytes": "BLOB",
        "bytewise": "",
        "keyed": " WITHOUT ROWID",
        "describe_old_audit": _DESCRIBE_OLD_AUDIT,
    }
)


class SqliteStore(SqlStore):
    """``govid.store.Store`` in one SQLite file."""

    def __init__(self, path: Path, vault: Vault | None = None) -> None:
        """Open or create the file and bring its schema forward.

        Args:
            vault: None: with the keys that lie beside the file where no setting says otherwise.

        Raises:
            StoreUnavailable: the folder or file cannot be used, or was written by a newer govid.
            EncryptionKeyMissing: the keys of its templates are not there.
        """
        super().__init__(
            SqliteDatabase(path), vault or Vault(FileKeys(path.parent / "keys" / "encryption.json"))
        )


class _Connection(sqlite3.Connection):
    """Closed when its thread ends: a caller with a thread per request must not run out of files."""

    def __del__(self) -> None:
        with suppress(sqlite3.ProgrammingError):  # it was never opened
            self.close()


class Statements:
    """``govid.store.database.Connection`` on one of SQLite's."""

    __slots__ = ("_connection",)

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        return self._connection.execute(statement, parameters).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        self._connection.executemany(statement, rows)

    def rows(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._connection.execute(statement, parameters).fetchall()

    def row(self, statement: str, parameters: Sequence[Value] = ()) -> Row | None:
        found: Row | None = self._connection.execute(statement, parameters).fetchone()
        return found

    def stream(self, statement: str, parameters: Sequence[Value] = ()) -> Iterator[Row]:
        return self._connection.execute(statement, parameters)

    def exclusive(self, name: str) -> None:
        """One transaction writes at a time in any case."""


class SqliteDatabase:
    """``govid.store.database.Database`` on one file."""

    words = _WORDS

    def __init__(self, path: Path) -> None:
        """Open or create the file and bring its schema forward; raises as ``SqliteStore``."""
        self._path = path
        self.name = str(path)
        self._local = threading.local()
        self._open: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._write_lock = threading.Lock()
        self._closed = False
        self._scrub_at: float | None = None
        self.full = False
        try:
            private_folder(path.parent)
            path.touch(mode=0o600, exist_ok=True)
        except InvalidSettings as error:
            raise StoreUnavailable(error.detail) from None
        except OSError as error:
            raise StoreUnavailable(f"{path}: {error.strerror}") from None
        with self.writing() as statements:
            row = statements.row("PRAGMA user_version")
            assert row is not None
            version = migrate(statements, self.words, version=row[0], where=self.name)
            statements.execute(f"PRAGMA user_version = {version}")

    @contextmanager
    def reading(self) -> Iterator[Statements]:
        with _translated():
            yield self._statements()

    @contextmanager
    def writing(self) -> Iterator[Statements]:
        with self._write_lock, _translated():
            statements = self._statements()
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield statements
                connection.execute("COMMIT")
                self.full = False
                if self._scrub_at is not None and time.monotonic() >= self._scrub_at:
                    self.scrub()
            except sqlite3.OperationalError as error:
                self.full |= error.sqlite_errorcode == sqlite3.SQLITE_FULL
                raise
            finally:
                # Still inside means that the block or the commit failed: nothing half-written stays.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def scrub(self) -> None:
        """Empty the write-ahead log.

        Where a reader holds the log, a write behind it or the closing of the store does it: nobody waits
        for it, and the deletion is committed whatever comes of it.
        """
        connection, held = self.connection(), True
        try:
            connection.execute("PRAGMA busy_timeout = 0")
            ((held, _, _),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.OperationalError:
            pass
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            self._scrub_at = time.monotonic() + SCRUB_SECONDS if held else None

    def rewrite(self, table: str) -> None:  # noqa: ARG002
        """Write the whole file anew; SQLite knows no smaller step."""
        with self._write_lock, _translated():
            self.connection().execute("VACUUM")
        self.scrub()

    def close(self) -> None:
        self._closed = True
        with self._write_lock:
            for connection in list(self._open):
                connection.close()

    def connection(self) -> sqlite3.Connection:
        """This thread's connection: SQLite's are cheap, and readers then never wait for the writer."""
        self._statements()
        connection: _Connection = self._local.connection
        return connection

    def _statements(self) -> Statements:
        if self._closed:
            raise StoreUnavailable("the store is closed")
        statements: Statements | None = getattr(self._local, "statements", None)
        if statements is None:
            connection = sqlite3.connect(
                self._path,
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
                factory=_Connection,
            )
            _log_ahead(connection)
            for pragma in (
                "synchronous = FULL",
                "foreign_keys = ON",
                # Erased templates are overwritten, not only unlinked.
                "secure_delete = ON",
            ):
                connection.execute(f"PRAGMA {pragma}")
            statements = self._local.statements = Statements(connection)
            self._local.connection = connection
            self._open.add(connection)
        return statements


def _log_ahead(connection: sqlite3.Connection) -> None:
    """Switch the file to WAL.

    Processes that make a file at the same moment refuse each other here at once: SQLite's own busy
    timeout does not cover this one switch.
    """
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


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
