"""Failed attempts by subject: seen by every process, and after a restart.

An attempt is counted in the transaction that keeps its audit record, without which no decision leaves. Of
many parallel attempts, no more than the rule allows therefore get an answer.
"""

from __future__ import annotations

import math
import time

from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL
from govid.errors import SubjectLocked
from govid.lockout import Attempt, Attempts
from govid.store.audit import append
from govid.store.database import Connection, Database


def check(connection: Connection, made: Attempts) -> tuple[int, float]:
    """How many failures count at present, and until when; raises SubjectLocked if it is enough of them."""
    now = time.time()
    row = connection.row(
        "SELECT failures, expires_at FROM failed_attempts"
        " WHERE subject_id = ? AND counted_for = ? AND expires_at > ?",
        (made.subject_id, made.counted_for, now),
    )
    if row is None:
        return 0, now + made.rule.window_seconds
    failures, expires_at = row
    if failures >= made.rule.limit:
        raise SubjectLocked(math.ceil(expires_at - now))
    return int(failures), float(expires_at)


def count(connection: Connection, attempt: Attempt) -> None:
    """Count an attempt, inside the caller's writing transaction; raises SubjectLocked."""
    # Of the named locks before that of the audit, and before any row.
    connection.exclusive("failed_attempts")
    failures, expires_at = check(connection, attempt.of)
    if attempt.failed:
        _failed(connection, attempt.of, failures + 1, expires_at)
    elif failures:
        connection.execute(
            "DELETE FROM failed_attempts WHERE subject_id = ? AND counted_for = ?",
            (attempt.of.subject_id, attempt.of.counted_for),
        )


def forget(connection: Connection, subject_id: str) -> None:
    """Start anew: the subject is erased."""
    connection.exclusive("failed_attempts")
    connection.execute("DELETE FROM failed_attempts WHERE subject_id = ?", (subject_id,))


def unlock(database: Database, subject_id: str, *, login: str) -> int:
    """Forget the failed attempts on a subject id, enrolled or not, and keep in the audit who did it.

    Args:
        login: who does it, as far as this machine knows.

    Returns:
        How many there were; without any, nothing is changed.
    """
    with database.writing() as connection:
        connection.exclusive("failed_attempts")
        now = time.time()
        row = connection.row(
            "SELECT coalesce(sum(failures), 0) FROM failed_attempts WHERE subject_id = ? AND expires_at > ?",
            (subject_id, now),
        )
        assert row is not None
        if failures := int(row[0]):
            connection.execute("DELETE FROM failed_attempts WHERE subject_id = ?", (subject_id,))
            record = AuditRecord(
                time=now,
                request_id=new_request_id(),
                caller=LOCAL.name,
                operation="unlock",
                outcome="UNLOCKED",
                subject_id=subject_id,
                note=f"{failures} failed attempts; by the login {login}",
            )
            append(connection, record)
    return failures


def _failed(connection: Connection, made: Attempts, failures: int, expires_at: float) -> None:
    now = time.time()
    connection.execute("DELETE FROM failed_attempts WHERE expires_at <= ?", (now,))
    # The window begins with the first failure and is not moved by the next; a lock never ends within it.
    if failures >= made.rule.limit:
        expires_at = max(expires_at, now + made.rule.lock_seconds)
    connection.execute(
        "INSERT INTO failed_attempts (subject_id, counted_for, failures, expires_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (subject_id, counted_for)"
        " DO UPDATE SET failures = excluded.failures, expires_at = excluded.expires_at",
        (made.subject_id, made.counted_for, failures, expires_at),
    )
