"""The audit table: appended to in one chain, read with filters; what expires leaves its digest."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from itertools import chain, groupby
from operator import attrgetter, itemgetter
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.ledger.chain import GENESIS, Link, expired_by, link, mark
from govid.store.database import MAX_INTEGER, Connection, Database, Value

MAX_ROWS = 1000
ROTATION = "rotate_signing_key"
"""Operation of the rows that change the signing key; the schema has an index of them."""
# What a row is found by, as its record has it.
_COLUMNS = ("request_id", "time", "operation", "outcome", "caller", "use_case")
_INSERT = f"INSERT INTO audit (digest, record, {', '.join(_COLUMNS)}) VALUES (?, ?{', ?' * len(_COLUMNS)})"
_FILE = "INSERT INTO audit_subject VALUES (?, ?)"
# Nobody else appends meanwhile, so the newest row is one's own. Half the time of RETURNING in SQLite.
_FILE_LAST = "INSERT INTO audit_subject SELECT CAST(? AS TEXT), max(audit_id) FROM audit"
_encode = msgspec.json.Encoder().encode
_found_by: Callable[[AuditRecord], tuple[Value, ...]] = attrgetter(*_COLUMNS)
"""The values of ``_COLUMNS``."""


class AuditFilter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which rows of the audit; what is None does not restrict."""

    subject_id: Annotated[
        str | None, Meta(description="Uses of this subject's face: asked for, or shown as a candidate")
    ] = None
    request_id: str | None = None
    caller: str | None = None
    use_case: str | None = None
    operation: str | None = None
    outcome: str | None = None
    since: Annotated[float | None, Meta(description="Seconds since the epoch, inclusive")] = None
    until: Annotated[float | None, Meta(description="Seconds since the epoch, exclusive")] = None


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """One row with its place in the chain."""

    audit_id: int
    record: AuditRecord
    digest: Annotated[str | None, Meta(description="Hexadecimal; null for rows from before the chain")]


def append(connection: Connection, record: AuditRecord) -> bytes:
    """Append a record inside the caller's transaction.

    Returns:
        Its digest, 32 bytes.
    """
    _, before = _last(connection)
    digest, row = _linked(record, before)
    connection.execute(_INSERT, row)
    connection.execute_many(_FILE_LAST, [(subject,) for subject in sorted(_subjects(record))])
    return digest


def append_many(connection: Connection, records: Sequence[AuditRecord]) -> list[bytes]:
    """Append records in their order inside the caller's transaction: ``append`` by fewer statements.

    Returns:
        Their digests.
    """
    last_id, digest = _last(connection)
    digests: list[bytes] = []
    rows: list[tuple[Value, ...]] = []
    for record in records:
        digest, row = _linked(record, digest)
        digests.append(digest)
        rows.append(row)
    connection.execute_many(_INSERT, rows)
    # Nobody else appends meanwhile, so the new rows are these, in their order.
    ids = connection.rows("SELECT audit_id FROM audit WHERE audit_id > ? ORDER BY audit_id", (last_id,))
    subjects = {
        (subject, audit_id)
        for record, (audit_id,) in zip(records, ids, strict=True)
        for subject in _subjects(record)
    }
    connection.execute_many(_FILE, sorted(subjects))
    return digests


def _last(connection: Connection) -> tuple[int, bytes]:
    """Id and digest of the last row, after which nobody else appends before the transaction has ended."""
    # One after the other: each row needs the digest of the one before.
    connection.exclusive("audit")
    row = connection.row("SELECT audit_id, digest FROM audit ORDER BY audit_id DESC LIMIT 1")
    last_id, digest = row or (0, None)
    return last_id, bytes(digest) if digest else GENESIS


def _linked(record: AuditRecord, before: bytes) -> tuple[bytes, tuple[Value, ...]]:
    """The digest of a record that follows the digest before, and what ``_INSERT`` takes."""
    text = _encode(msgspec.structs.replace(record, salt=secrets.token_hex(16)))
    digest = link(before, text)
    return digest, (digest, text.decode(), *_found_by(record))


def _subjects(record: AuditRecord) -> set[str]:
    """Everybody whose face a record is about."""
    return {*record.candidates, *((record.subject_id,) if record.subject_id else ())}


def _filed(text: str) -> tuple[tuple[Value, ...], set[str]]:
    """The values of ``_COLUMNS`` and the subjects under which a row is to be found."""
    if expired_by(text.encode()) is not None:
        return (None,) * len(_COLUMNS), set()
    record = msgspec.json.decode(text, type=AuditRecord)
    return _found_by(record), _subjects(record)


def erase(connection: Connection, rows: Sequence[tuple[int, str]], expiry_id: str) -> None:
    """Leave nothing of these rows, given by id and record, but their digests; inside a transaction."""
    connection.execute_many(
        f"UPDATE audit SET record = ?, {', '.join(f'{name} = NULL' for name in _COLUMNS)} WHERE audit_id = ?",
        [(mark(expiry_id), audit_id) for audit_id, _ in rows],
    )
    connection.execute_many(
        "DELETE FROM audit_subject WHERE subject_id = ? AND audit_id = ?",
        [(subject, audit_id) for audit_id, text in rows for subject in sorted(_filed(text)[1])],
    )


def links(connection: Connection, *, first: int = 0) -> Iterator[Link]:
    """The chain in its order, from that id on; rows from before it are left out."""
    begun = False
    for audit_id, record, digest in connection.stream(
        "SELECT audit_id, record, digest FROM audit WHERE audit_id >= ? ORDER BY audit_id", (first,)
    ):
        # Once the chain has begun a row without a digest is a break, not a memory of older times.
        if digest is not None or begun:
            begun = True
            yield Link(audit_id, record.encode(), bytes(digest or b""))


class AuditLog:
    """Reads what was appended."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def rows(self, wanted: AuditFilter, *, before: int | None = None, limit: int = 100) -> list[AuditRow]:
        """Newest first, up to ``limit`` rows whose id is under ``before``."""
        conditions, parameters = _conditions(wanted)
        conditions.append("operation IS NOT NULL")  # its time was over, and its digest alone is left
        if before is not None:
            conditions.append("audit_id < ?")
            parameters.append(before)
        where = f" WHERE {' AND '.join(conditions)}"
        with self._database.reading() as connection:
            found = connection.rows(
                f"SELECT audit_id, record, digest FROM audit{where} ORDER BY audit_id DESC LIMIT ?",
                [*parameters, limit],
            )
        return [
            AuditRow(
                audit_id=audit_id,
                record=msgspec.json.decode(record, type=AuditRecord),
                digest=bytes(digest).hex() if digest else None,
            )
            for audit_id, record, digest in found
        ]

    def links(self, *, first: int = 0, at_row: Callable[[], None] = lambda: None) -> Iterator[Link]:
        """The chain in its order, from that id on; rows from before it are left out."""
        with self._database.reading() as connection:
            for row in links(connection, first=first):
                at_row()
                yield row

    def misfiled(self, at_row: Callable[[], None] = lambda: None) -> int | None:
        """The first row of the chain that is not found under what its record says; None if all are.

        The digests cover the records. What finds them stands beside, where a row could be hidden.
        """
        columns = ", ".join(_COLUMNS)
        with self._database.reading() as one, self._database.reading() as two:
            rows = one.stream(f"SELECT audit_id, record, digest, {columns} FROM audit ORDER BY audit_id")
            # Begun before the other stream, so that no row is read whose subjects are not yet seen there.
            first = next(rows, None)
            filed = groupby(
                two.stream("SELECT audit_id, subject_id FROM audit_subject ORDER BY audit_id, subject_id"),
                key=itemgetter(0),
            )
            place, subjects = next(filed, (0, iter(())))
            for audit_id, text, digest, *found in chain([first] if first else [], rows):
                at_row()
                while place < audit_id and (following := next(filed, None)):
                    place, subjects = following
                if digest is None:
                    continue
                listed = {subject for _, subject in subjects} if place == audit_id else set()
                if (tuple(found), listed) != _filed(text) and not self._just_erased(audit_id, text):
                    return int(audit_id)
        return None

    def _just_erased(self, audit_id: int, text: str) -> bool:
        """Whether a row was erased since its text was read: what finds it may be gone already."""
        with self._database.reading() as connection:
            row = connection.row("SELECT record FROM audit WHERE audit_id = ?", (audit_id,))
        return expired_by(text.encode()) is None and row is not None and bool(expired_by(row[0].encode()))

    def before(self, audit_id: int) -> bytes:
        """Digest of the last row before this id."""
        with self._database.reading() as connection:
            row = connection.row(
                "SELECT digest FROM audit WHERE audit_id < ? ORDER BY audit_id DESC LIMIT 1", (audit_id,)
            )
        return bytes(row[0]) if row and row[0] else GENESIS

    def first_key(self) -> str | None:
        """Id of the key that signed first; None where none was taken into use."""
        with self._database.reading() as connection:
            return _first_key(connection)

    def name_first_key(self, key_id: str) -> str:
        """Name the key that signs first, unless one is named; which one it is now."""
        with self._database.writing() as connection:
            connection.exclusive("first_signing_key")
            named = _first_key(connection)
            if named is None:
                connection.execute("INSERT INTO first_signing_key VALUES (?)", (key_id,))
            return named or key_id

    def rotations(self) -> list[tuple[int, AuditRecord]]:
        """Id and record of each change of the signing key, oldest first."""
        with self._database.reading() as connection:
            rows = connection.rows(
                f"SELECT audit_id, record FROM audit WHERE operation = '{ROTATION}' ORDER BY audit_id"
            )
        return [(int(audit_id), msgspec.json.decode(record, type=AuditRecord)) for audit_id, record in rows]

    def last_rotation(self) -> int:
        """Id of the last change of the signing key; 0 without one."""
        with self._database.reading() as connection:
            return last_rotation(connection)

    def add_rotation(self, record: AuditRecord, *, after: int) -> bool:
        """Change the signing key; False if somebody has since the change ``after``."""
        with self._database.writing() as connection:
            # No checkpoint by the old key may come to stand behind this row.
            connection.exclusive("audit_checkpoint")
            if last_rotation(connection) != after:
                return False
            append(connection, record)
        return True

    def find(self, request_id: str, digest: str) -> AuditRecord | None:
        """The record of a request, if it is the row of this digest (hexadecimal)."""
        with self._database.reading() as connection:
            rows = connection.rows("SELECT record, digest FROM audit WHERE request_id = ?", (request_id,))
        for record, found in rows:
            if found is not None and bytes(found).hex() == digest:
                return msgspec.json.decode(record, type=AuditRecord)
        return None

    def add_checkpoint(self, first: int, last: int, statement: str, *, since: int) -> bool:
        """Keep a signed statement over these rows.

        Args:
            since: the change of the signing key that made its key the one that signs.

        Returns:
            False if another process has signed them meanwhile, or changed the key.
        """
        with self._database.writing() as connection:
            connection.exclusive("audit_checkpoint")
            if last_rotation(connection) != since or connection.row(
                "SELECT 1 FROM audit_checkpoint WHERE last_audit_id >= ?", (first,)
            ):
                return False
            connection.execute(
                "INSERT INTO audit_checkpoint (last_audit_id, statement) VALUES (?, ?)", (last, statement)
            )
        return True

    def signed_to(self) -> int:
        """The last row that a checkpoint covers; 0 before the first one."""
        with self._database.reading() as connection:
            row = connection.row("SELECT coalesce(max(last_audit_id), 0) FROM audit_checkpoint")
        assert row is not None
        return int(row[0])

    def checkpoints(self, *, after: int = 0, limit: int = MAX_INTEGER) -> list[tuple[int, str]]:
        """Last row and signed statement of each checkpoint, oldest first.

        Args:
            after: only those whose last row is above this one.
        """
        if after > MAX_INTEGER:
            return []
        with self._database.reading() as connection:
            rows = connection.rows(
                "SELECT last_audit_id, statement FROM audit_checkpoint WHERE last_audit_id > ?"
                " ORDER BY checkpoint_id LIMIT ?",
                (max(after, 0), limit),
            )
        return [(int(last), statement) for last, statement in rows]


def _first_key(connection: Connection) -> str | None:
    row = connection.row("SELECT key_id FROM first_signing_key")
    return str(row[0]) if row else None


def last_rotation(connection: Connection) -> int:
    """Id of the last change of the signing key; 0 without one."""
    row = connection.row(f"SELECT coalesce(max(audit_id), 0) FROM audit WHERE operation = '{ROTATION}'")
    assert row is not None
    return int(row[0])


def _conditions(wanted: AuditFilter) -> tuple[list[str], list[Value]]:
    conditions: list[str] = []
    parameters: list[Value] = []
    for condition, value in (
        ("audit_id IN (SELECT audit_id FROM audit_subject WHERE subject_id = ?)", wanted.subject_id),
        ("request_id = ?", wanted.request_id),
        ("caller = ?", wanted.caller),
        ("use_case = ?", wanted.use_case),
        ("operation = ?", wanted.operation),
        ("outcome = ?", wanted.outcome),
        ("time >= ?", wanted.since),
        ("time < ?", wanted.until),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    return conditions, parameters
