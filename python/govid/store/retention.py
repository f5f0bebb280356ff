"""What is past its time, table by table: how much there is, and a batch of it erased."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

from govid.store.database import Connection


@dataclass(frozen=True, slots=True)
class Past:
    """Rows of a table that are past their time. ``condition`` takes one parameter, a time.

    ``lock``: what others hold who erase several of these rows at once. Each of two would otherwise have rows
    that the other waits for.
    """

    table: str
    key: str
    condition: str
    lock: str = "retention"

    def count(self, connection: Connection, before: float) -> int:
        """How many there are."""
        row = connection.row(f"SELECT count(*) FROM {self.table} WHERE {self.condition}", (before,))
        assert row is not None
        return int(row[0])

    def erase(self, connection: Connection, before: float, limit: int) -> int:
        """Erase up to ``limit``; how many it was."""
        return connection.execute(
            f"DELETE FROM {self.table} WHERE ({self.key}) IN"
            f" (SELECT {self.key} FROM {self.table} WHERE {self.condition} LIMIT ?)",
            (before, limit),
        )


PHOTOS = Past("photo", "reference_id", "kept_until <= ?", lock="gallery_change")
# Whoever keeps a reply has the lock of the audit by then.
IDEMPOTENCY = Past("idempotency", "key", "created_at < ?", lock="audit")
ATTEMPTS = Past("failed_attempts", "subject_id, counted_for", "expires_at <= ?", lock="failed_attempts")
NOTIFICATIONS = Past("notification", "notification_id", "delivered_at < ?")
FEEDBACK = Past(
    "feedback",
    "feedback_id",
    # A complaint that nobody has answered waits, however old it is.
    "coalesce(closed_at, created_at) < ? AND (due_at IS NULL OR closed_at IS NOT NULL)",
)
CASES = Past(
    "duplicate_case",
    "case_id",
    # As long as one holds a subject it is the reason why.
    "closed_at < ? AND NOT EXISTS (SELECT 1 FROM case_subject JOIN subject USING (subject_id)"
    " WHERE case_subject.case_id = duplicate_case.case_id AND held = 1)",
    lock="gallery_change",
)
PAIRS = Past(
    "dedup_pair",
    "job_id, reference_a, reference_b",
    # A job that was cancelled may go on, and does not compare anew what it found.
    "job_id IN (SELECT job_id FROM dedup_job WHERE state = 'done' AND ended_at < ?)",
    lock="gallery_change",
)

_DECISIONS = (
    "FROM audit WHERE use_case = ? AND time < ? AND digest IS NOT NULL"
    # Signed first: a checkpoint over its digest is what proves the row that was.
    " AND audit_id <= (SELECT coalesce(max(last_audit_id), 0) FROM audit_checkpoint)"
    # Whoever has to answer a complaint needs the decision.
    " AND request_id NOT IN"
    "  (SELECT request_id FROM feedback WHERE due_at IS NOT NULL AND closed_at IS NULL)"
)


def count_decisions(connection: Connection, use_case: str, before: float) -> int:
    """How many audit rows of a use case are older, and may be erased."""
    row = connection.row(f"SELECT count(*) {_DECISIONS}", (use_case, before))
    assert row is not None
    return int(row[0])


def decisions(
    connection: Connection, use_case: str, before: float, limit: int
) -> list[tuple[int, str, bytes]]:
    """Id, record and digest of some of these rows, in order of their ids."""
    rows = connection.rows(
        f"SELECT audit_id, record, digest {_DECISIONS} ORDER BY time LIMIT ?", (use_case, before, limit)
    )
    return sorted((int(audit_id), record, bytes(digest)) for audit_id, record, digest in rows)


def note_run(connection: Connection, now: float) -> None:
    """Retention runs now: up to here the clock was believed. Inside a transaction that has its lock."""
    connection.execute("DELETE FROM retention_run")
    connection.execute(
        "INSERT INTO retention_run SELECT ?, coalesce(max(audit_id), 0) FROM audit",
        (now,),
    )


def last_run(connection: Connection) -> float | None:
    """When a run last believed the clock, seconds since the epoch; None before the first."""
    run = connection.row("SELECT ran_at FROM retention_run")
    return float(run[0]) if run else None


def silence(connection: Connection, now: float, longest: float) -> tuple[float, float] | None:
    """The first time of more than ``longest`` seconds until ``now`` of which the records show nothing.

    They show it by the last run and by the rows of the audit since, in the order of their chain: rows that
    were written while the clock was ahead say nothing of the time before them.

    Returns:
        Its beginning and end, seconds since the epoch; None without one.
    """
    run = connection.row("SELECT ran_at, audit_id FROM retention_run")
    latest, last_id = (float(run[0]), int(run[1])) if run else (None, 0)
    if latest is not None and now - latest <= longest:
        return None
    rows = connection.stream(
        "SELECT time FROM audit WHERE audit_id > ? AND time IS NOT NULL ORDER BY audit_id", (last_id,)
    )
    for (at,) in chain(rows, [(now,)]):
        if latest is not None and at - latest > longest:
            return latest, float(at)
        latest = at if latest is None else max(latest, at)
    return None


def references_before(connection: Connection, before: float) -> int:
    """How many references are older."""
    row = connection.row("SELECT count(*) FROM reference WHERE created_at < ?", (before,))
    assert row is not None
    return int(row[0])
