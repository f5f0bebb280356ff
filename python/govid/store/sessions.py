"""Sessions of people who signed in with an API key: a random word they keep, and the key it stands for."""

from __future__ import annotations

import hashlib
import secrets
import time

from govid.audit import AuditRecord
from govid.keys import ApiKey
from govid.store.audit import append
from govid.store.database import Database

TOUCH_SECONDS = 60.0
"""The time of last use is written no more often than this: a look at a page is no change."""


class Sessions:
    """Shared by all server processes on one store. Of the word only its SHA-256 is kept."""

    def __init__(self, database: Database, *, idle_seconds: float, longest_seconds: float) -> None:
        """
        Args:
            idle_seconds: a session that was not used for so long has ended.
            longest_seconds: so has one that was begun so long ago.
        """
        self._database = database
        self._idle = idle_seconds
        self._longest = longest_seconds

    def begin(self, key: ApiKey, *, request_id: str) -> str:
        """Begin a session of whoever showed this key, and write it into the audit.

        Returns:
            The word that stands for it: 256 random bits, new each time.
        """
        word, now = secrets.token_urlsafe(32), time.time()
        with self._database.writing() as connection:
            connection.execute(
                "DELETE FROM console_session WHERE used_at <= ? OR begun_at <= ?",
                (now - self._idle, now - self._longest),
            )
            connection.execute(
                "INSERT INTO console_session (digest, key_id, begun_at, used_at) VALUES (?, ?, ?, ?)",
                (_digest(word), key.key_id, now, now),
            )
            append(connection, _record(now, request_id, key.caller.name, "sign_in", "SIGNED_IN"))
        return word

    def key_of(self, word: str) -> str | None:
        """Id of the key that a session stands for; None if there is no such session, or it has ended.

        Whether the key is still valid is for the caller to see.
        """
        now = time.time()
        with self._database.reading() as connection:
            row = connection.row(
                "SELECT key_id, begun_at, used_at FROM console_session WHERE digest = ?", (_digest(word),)
            )
        if row is None or now - row[1] >= self._longest or now - row[2] >= self._idle:
            return None
        if now - row[2] >= min(TOUCH_SECONDS, self._idle / 2):
            with self._database.writing() as connection:
                connection.execute(
                    "UPDATE console_session SET used_at = ? WHERE digest = ?", (now, _digest(word))
                )
        return str(row[0])

    def end(self, word: str, name: str, *, request_id: str) -> None:
        """End a session of the party ``name``, and write it into the audit. Ended twice is ended."""
        with self._database.writing() as connection:
            if connection.execute("DELETE FROM console_session WHERE digest = ?", (_digest(word),)):
                append(connection, _record(time.time(), request_id, name, "sign_out", "SIGNED_OUT"))


def _digest(word: str) -> str:
    return hashlib.sha256(word.encode()).hexdigest()


def _record(now: float, request_id: str, name: str, operation: str, outcome: str) -> AuditRecord:
    return AuditRecord(time=now, request_id=request_id, caller=name, operation=operation, outcome=outcome)
