"""Copies of the SQLite store, by SQLite's own online backup."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from govid.backup import private_file
from govid.errors import BackupBroken, BackupFailed, TargetNotEmpty
from govid.ledger.chain import Link
from govid.store.audit import links
from govid.store.backup import Moment, moment
from govid.store.sqlite import Statements


class SqliteCopier:
    """``govid.backup.Copier`` of one file."""

    file = "records.sqlite3"

    def __init__(self, database: Path) -> None:
        self._database = database

    def save(self, to: Path) -> Moment:
        if not self._database.exists():
            raise BackupFailed(f"{self._database}: there are no records")
        try:
            with (
                private_file(to),
                closing(sqlite3.connect(self._database, timeout=10)) as source,
                closing(sqlite3.connect(to, isolation_level=None)) as copy,
            ):
                # In one step: in WAL mode it stops no writer, and a copy in several would begin again
                # whenever one of them commits.
                source.backup(copy, pages=-1)
                # One file, without a log beside it.
                copy.execute("PRAGMA journal_mode = DELETE")
                (version,) = copy.execute("PRAGMA user_version").fetchone()
                return moment(Statements(copy), schema=version)
        except sqlite3.Error as error:
            raise BackupFailed(f"{to}: {error}") from None
        except OSError as error:
            raise BackupFailed(f"{to}: {error.strerror}") from None

    def links(self, copy: Path) -> Iterator[Link]:
        with _read(copy) as statements:
            ((state,), *_) = statements.rows("PRAGMA quick_check")
            if state != "ok":
                raise BackupBroken(f"{copy.name}: {state}")
            yield from links(statements)

    def checkpoints(self, copy: Path) -> list[str]:
        with _read(copy) as statements:
            return [
                row[0]
                for row in statements.rows("SELECT statement FROM audit_checkpoint ORDER BY checkpoint_id")
            ]

    def check_target(self) -> None:
        if self._database.exists():
            raise TargetNotEmpty(f"{self._database}: it exists")

    def load(self, copy: Path) -> None:
        try:
            with private_file(self._database):
                shutil.copyfile(copy, self._database)
        except OSError as error:
            raise BackupFailed(f"{self._database}: {error.strerror}") from None


@contextmanager
def _read(copy: Path) -> Iterator[Statements]:
    # Immutable: a backup may lie on a read-only medium, and is never written to.
    address = f"{copy.resolve().as_uri()}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as connection:
            yield Statements(connection)
    except sqlite3.Error as error:
        raise BackupBroken(f"{copy.name}: {error}") from None
