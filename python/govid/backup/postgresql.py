"""Copies of the PostgreSQL store, by its own programs: pg_dump and pg_restore."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import pq
from psycopg.conninfo import conninfo_to_dict

from govid.backup import private_file
from govid.errors import BackupBroken, BackupFailed, BackupToolMissing, StoreUnavailable, TargetNotEmpty
from govid.ledger.chain import Link
from govid.store import sqlite
from govid.store.audit import links
from govid.store.backup import Moment, moment
from govid.store.postgresql import Statements

# COPY's text format: what a backslash and a letter stand for.
_ESCAPED = {b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}


class PostgresqlCopier:
    """``govid.backup.Copier`` of the schema that a connection writes to."""

    file = "records.dump"

    def __init__(self, url: str) -> None:
        """Args: url as the settings have it."""
        self._url = url

    def save(self, to: Path) -> Moment:
        with _errors(), psycopg.connect(self._url, autocommit=True) as connection:
            # What is counted here and what is dumped there are of one moment.
            connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            connection.execute("SET LOCAL statement_timeout = 0")
            row = connection.execute(
                "SELECT current_schema(), pg_export_snapshot(), version FROM govid_schema"
            ).fetchone()
            if row is None:
                raise BackupFailed("there are no records")
            schema, snapshot, version = row
            where = moment(Statements(connection), schema=version)
            with private_file(to):
                self._run(
                    "pg_dump", "--format=custom", "--compress=1", f"--schema={_exactly(schema)}",
                    f"--snapshot={snapshot}", f"--file={to}",
                )  # fmt: skip
        return where

    def links(self, copy: Path) -> Iterator[Link]:
        # A dump has the rows as they lie on the disk, and there may be more than memory holds.
        with closing(sqlite3.connect("", isolation_level=None)) as sorter:
            sorter.execute("CREATE TABLE audit (audit_id INTEGER PRIMARY KEY, record TEXT, digest BLOB)")
            sorter.execute("BEGIN")
            try:
                sorter.executemany("INSERT INTO audit VALUES (?, ?, ?)", _audit_rows(copy))
            except (sqlite3.Error, ValueError) as error:
                raise BackupBroken(f"{copy.name}: its audit cannot be read: {error}") from None
            yield from links(sqlite.Statements(sorter))

    def checkpoints(self, copy: Path) -> list[str]:
        found = sorted(
            (int(number or 0), (statement or b"").decode())
            for number, statement in _table(copy, "audit_checkpoint", ("checkpoint_id", "statement"))
        )
        return [statement for _, statement in found]

    def check_target(self) -> None:
        with _errors(), psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace"
            ).fetchone()
        if row is None or row[0]:
            raise TargetNotEmpty("the database of store_url has tables")

    def load(self, copy: Path) -> None:
        with _errors(), psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute("SELECT current_schema()").fetchone()
        assert row is not None
        # One transaction: all of it or nothing. Owners and rights are the target's.
        self._run(
            "pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
            f"--schema={row[0]}", "--dbname=application_name=govid", str(copy),
        )  # fmt: skip

    def _run(self, program: str, *arguments: str) -> None:
        # In the environment, which its owner alone can read: a command line is everybody's.
        given: dict[str, Any] = conninfo_to_dict(self._url)
        variables = {
            option.envvar.decode(): str(given[option.keyword.decode()])
            for option in pq.Conninfo.get_defaults()
            if option.envvar and option.keyword.decode() in given
        }
        done = subprocess.run(  # noqa: S603 - PostgreSQL's own, without a shell
            [_program(program), "--no-password", *arguments],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise BackupFailed(f"{program}: {done.stderr.strip().splitlines()[0] if done.stderr else ''}")


def _audit_rows(copy: Path) -> Iterator[tuple[int, str, bytes | None]]:
    for audit_id, record, digest in _table(copy, "audit", ("audit_id", "record", "digest")):
        yield (
            int(audit_id or 0),
            (record or b"").decode(),
            None if digest is None else bytes.fromhex(digest.decode().removeprefix("\\x")),
        )


@contextmanager
def _errors() -> Iterator[None]:
    """PostgreSQL's errors in govid's words, without what quotes rows."""
    try:
        yield
    except psycopg.errors.UndefinedTable:
        raise BackupFailed("there are no records") from None
    except psycopg.Error as error:
        raise StoreUnavailable(error.diag.message_primary or str(error).strip()) from None


def _program(name: str) -> str:
    # Debian keeps the programs of each version apart; a newer one reads older servers.
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda p: int(p.parts[-3]))
    found = str(debian[-1]) if debian else shutil.which(name)
    if not found:
        raise BackupToolMissing(f"{name} is not there")
    return found


def _exactly(schema: str) -> str:
    """A name as a pattern that matches nothing else."""
    return '"' + schema.replace('"', '""') + '"'


def _table(copy: Path, name: str, columns: tuple[str, ...]) -> Iterator[tuple[bytes | None, ...]]:
    """Columns of a table in a dump, without a server; raises BackupBroken."""
    command = [_program("pg_restore"), "--data-only", f"--table={name}", "--file=-", str(copy)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:  # noqa: S603
        assert process.stdout is not None
        places: list[int] | None = None
        for line in process.stdout:
            if places is None:
                if line.startswith(b"COPY "):
                    there = line.decode().partition("(")[2].partition(")")[0].split(", ")
                    places = [there.index(column) for column in columns]
            elif line == b"\\.\n":
                break
            else:
                fields = line.rstrip(b"\n").split(b"\t")
                yield tuple(None if fields[at] == b"\\N" else _unescaped(fields[at]) for at in places)
        for _ in process.stdout:
            """To its end, so that it can say how it went."""
    if process.returncode or places is None:
        raise BackupBroken(f"{copy.name}: pg_restore cannot read it")


def _unescaped(field: bytes) -> bytes:
    return re.sub(rb"\\(.)", lambda match: _ESCAPED.get(match[1], match[1]), field, flags=re.DOTALL)
