"""Figures of the records that an operator watches. Each is one indexed look-up: no table is counted."""

from __future__ import annotations

from typing import NamedTuple

from govid.store.database import Connection, Database


class Vitals(NamedTuple):
    """The records at one moment. Times are seconds since the epoch."""

    unsigned_rows: int
    """Ids of the audit behind the last signed checkpoint."""
    unsigned_since: float | None
    """When the oldest of these rows was written; None without any."""
    notifications_waiting: int
    notifications_since: float | None
    """When the oldest announcement that nobody has yet was written; None without any."""


def vitals(database: Database) -> Vitals:
    """Read them.

    Raises:
        StoreUnavailable.
    """
    with database.reading() as connection:
        signed = _one(connection, "SELECT coalesce(max(last_audit_id), 0) FROM audit_checkpoint")
        newest = _one(connection, "SELECT coalesce(max(audit_id), 0) FROM audit")
        oldest = connection.row(
            "SELECT time FROM audit WHERE audit_id > ? ORDER BY audit_id LIMIT 1", (signed,)
        )
        waiting = connection.row(
            "SELECT count(*), min(created_at) FROM notification WHERE delivered_at IS NULL"
        )
    assert waiting is not None
    return Vitals(max(0, newest - signed), oldest[0] if oldest else None, int(waiting[0]), waiting[1])


def _one(connection: Connection, statement: str) -> int:
    row = connection.row(statement)
    assert row is not None
    return int(row[0])
