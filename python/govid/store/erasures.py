"""What is remembered of erased subjects: which key was destroyed, and nothing of the face."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from govid.store.database import Connection

_COLUMNS = (
    "subject_id, request_id, caller, erased_at, key_id, fingerprint, reference_count, photo_count,"
    " audit_digest"
)
_AT_ONCE = 1000


class Erased(NamedTuple):
    """One subject that was erased. ``fingerprint``: 16 bytes that name its data key in any backup."""

    subject_id: str
    request_id: str
    caller: str | None
    erased_at: float
    key_id: str
    fingerprint: bytes
    references: int
    photos: int
    audit_digest: bytes


def remember(connection: Connection, erased: Erased) -> None:
    """Keep it, in the transaction that erases."""
    marks = ", ".join("?" * len(erased))
    connection.execute(f"INSERT INTO erasure ({_COLUMNS}) VALUES ({marks})", erased)


def after(connection: Connection, erasure_id: int) -> list[tuple[int, Erased]]:
    """The next erasures behind that number, each with its own, in order."""
    rows = connection.rows(
        f"SELECT erasure_id, {_COLUMNS} FROM erasure WHERE erasure_id > ? ORDER BY erasure_id LIMIT ?",
        (erasure_id, _AT_ONCE),
    )
    return [
        (int(number), Erased(*rest)._replace(fingerprint=bytes(rest[5]), audit_digest=bytes(rest[8])))
        for number, *rest in rows
    ]


def fingerprints(connection: Connection) -> set[bytes]:
    """Of the data keys of all who were erased."""
    return {bytes(found) for (found,) in connection.stream("SELECT fingerprint FROM erasure")}


def still_there(connection: Connection, fingerprints: Iterable[bytes]) -> list[str]:
    """Subjects whose data key is one of these: a backup from before their erasure has brought them back."""
    wanted = set(fingerprints)
    return [
        subject_id
        for subject_id, fingerprint in connection.stream("SELECT subject_id, fingerprint FROM subject_key")
        if bytes(fingerprint) in wanted
    ]


def key_of(connection: Connection, subject_id: str) -> tuple[str, bytes]:
    """Key-encryption key and fingerprint of a subject's data key; empty if it has none."""
    row = connection.row("SELECT key_id, fingerprint FROM subject_key WHERE subject_id = ?", (subject_id,))
    return (row[0], bytes(row[1])) if row else ("", b"")
