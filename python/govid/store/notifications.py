"""The outbox: what others must be told, written with what it tells, kept until they have it."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

import msgspec

from govid.store.database import Connection, Database


class Notification(NamedTuple):
    """One message on its way."""

    notification_id: int
    kind: str
    body: bytes
    created_at: float
    attempts: int


def enqueue(connection: Connection, kind: str, content: dict[str, Any]) -> None:
    """Write a message inside the caller's transaction: it goes out if and only if that commits."""
    now = time.time()
    connection.execute(
        "INSERT INTO notification (kind, body, created_at, next_attempt_at) VALUES (?, ?, ?, ?)",
        (kind, msgspec.json.encode(content).decode(), now, now),
    )


class Outbox:
    """The messages of a store that nobody has yet."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def claim(self, *, now: float, lease_seconds: float) -> Notification | None:
        """The oldest message that is due. It is nobody else's until the lease ends."""
        with self._database.writing() as connection:
            connection.exclusive("notification")
            row = connection.row(
                "UPDATE notification SET attempts = attempts + 1, next_attempt_at = ?"
                " WHERE notification_id = (SELECT notification_id FROM notification"
                "  WHERE delivered_at IS NULL AND next_attempt_at <= ? ORDER BY notification_id LIMIT 1)"
                " RETURNING notification_id, kind, body, created_at, attempts",
                (now + lease_seconds, now),
            )
        if row is None:
            return None
        return Notification(int(row[0]), row[1], row[2].encode(), row[3], int(row[4]))

    def delivered(self, notification_id: int) -> None:
        """It has arrived."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE notification SET delivered_at = ? WHERE notification_id = ?",
                (time.time(), notification_id),
            )

    def postpone(self, notification_id: int, until: float) -> None:
        """It has not: try again then."""
        with self._database.writing() as connection:
            connection.execute(
                "UPDATE notification SET next_attempt_at = ? WHERE notification_id = ?",
                (until, notification_id),
            )

    def waiting(self) -> int:
        """How many have not arrived."""
        with self._database.reading() as connection:
            row = connection.row("SELECT count(*) FROM notification WHERE delivered_at IS NULL")
        assert row is not None
        return int(row[0])
