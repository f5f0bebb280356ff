"""Failed attempts by subject: seen by every process, and after a restart.

An attempt is counted in the transaction that keeps its audit record, without which no decision leaves. Of
many parallel attempts, no more than the rule allows therefore get an answer.
"""

from __future__ import annotations

import math
import time

from govid.errors import SubjectLocked
from govid.lockout import Attempt, LockoutRule
from govid.store.database import Connection


def check(connection: Connection, subject_id: str, rule: LockoutRule) -> int:
    """How many failures count at present; raises SubjectLocked if it is enough of them."""
    now = time.time()
    row = connection.row(
        "SELECT failures, expires_at FROM failed_attempts WHERE subject_id = ? AND expires_at > ?",
        (subject_id, now),
    )
    if row is None:
        return 0
    failures, expires_at = row
    if failures >= rule.attempts:
        raise SubjectLocked(math.ceil(expires_at - now))
    return int(failures)


def count(connection: Connection, attempt: Attempt) -> None:
    """Count an attempt, inside the caller's writing transaction; raises SubjectLocked."""
    connection.exclusive("failed_attempts")
    failures = check(connection, attempt.subject_id, attempt.rule)
    if attempt.failed:
        _failed(connection, attempt, failures + 1)
    elif failures:
        forget(connection, attempt.subject_id)


def forget(connection: Connection, subject_id: str) -> None:
    """Start anew: the subject was recognised, or is erased."""
    connection.execute("DELETE FROM failed_attempts WHERE subject_id = ?", (subject_id,))


def _failed(connection: Connection, attempt: Attempt, failures: int) -> None:
    now, rule = time.time(), attempt.rule
    connection.execute("DELETE FROM failed_attempts WHERE expires_at <= ?", (now,))
    window_ends, lock_ends = now + rule.window_seconds, now + rule.lock_seconds
    if failures >= rule.attempts:
        connection.execute(
            "INSERT INTO failed_attempts VALUES (?, ?, ?) ON CONFLICT (subject_id)"
            " DO UPDATE SET failures = excluded.failures, expires_at = excluded.expires_at",
            (attempt.subject_id, failures, lock_ends),
        )
    else:
        # The window begins with the first failure and is not moved by the next.
        connection.execute(
            "INSERT INTO failed_attempts VALUES (?, ?, ?) ON CONFLICT (subject_id)"
            " DO UPDATE SET failures = excluded.failures",
            (attempt.subject_id, failures, window_ends),
        )
