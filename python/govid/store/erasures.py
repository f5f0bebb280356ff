"""What is remembered of erased subjects and single references: under which key, and nothing of the face."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from govid.store.database import Connection

_COLUMNS = (
    "subject_id, request_id, caller, erased_at, key_id, fingerprint, reference_count, photo_count,"
    " audit_digest, reference_id, enrolled_at"
)
_AT_ONCE = 1000


class Mark(NamedTuple):
    """What names an erasure in any copy of the store: the data key of the subject, and which of its
    references, with the time of its enrolment; None: all."""

    fingerprint: bytes
    reference_id: int | None = None
    enrolled_at: float | None = None


class Erased(NamedTuple):
    """A subject, or the reference of that id, that was erased.

    ``fingerprint``: 16 bytes that name the data key of the subject in any backup; it was destroyed with the
    whole subject alone.
    """

    subject_id: str
    request_id: str
    caller: str | None
    erased_at: float
    key_id: str
    fingerprint: bytes
    references: int
    photos: int
    audit_digest: bytes
    reference_id: int | None = None
    enrolled_at: float | None = None

    @property
    def mark(self) -> Mark:
        """What names it in a copy of the store."""
        return Mark(self.fingerprint, self.reference_id, self.enrolled_at)


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


def marks(connection: Connection) -> set[Mark]:
    """Of all erasures."""
    rows = connection.stream("SELECT fingerprint, reference_id, enrolled_at FROM erasure")
    return {Mark(bytes(fingerprint), *rest) for fingerprint, *rest in rows}


def still_there(connection: Connection, marks: Iterable[Mark]) -> list[tuple[str, int | None]]:
    """Subjects and references with one of these marks: a backup from before their erasure brought them back.

    Each as the id of the subject and that of the reference, None for the whole subject.
    """
    wanted: dict[bytes, list[Mark]] = {}
    for mark in marks:
        wanted.setdefault(mark.fingerprint, []).append(mark)
    found = [
        (subject_id, mark)
        for subject_id, fingerprint in connection.stream("SELECT subject_id, fingerprint FROM subject_key")
        for mark in wanted.get(bytes(fingerprint), ())
    ]
    return [(subject_id, mark.reference_id) for subject_id, mark in found if _holds(connection, mark)]


def _holds(connection: Connection, mark: Mark) -> bool:
    """Whether what a mark of a subject that is there means is there, too."""
    return mark.reference_id is None or bool(
        connection.row(
            "SELECT 1 FROM reference WHERE reference_id = ? AND created_at = ?",
            (mark.reference_id, mark.enrolled_at),
        )
    )


def key_of(connection: Connection, subject_id: str) -> tuple[str, bytes]:
    """Key-encryption key and fingerprint of a subject's data key; empty if it has none."""
    row = connection.row("SELECT key_id, fingerprint FROM subject_key WHERE subject_id = ?", (subject_id,))
    return (row[0], bytes(row[1])) if row else ("", b"")
