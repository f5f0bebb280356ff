"""What adjudicators said of the pairs of a case, and what follows from it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import NamedTuple

from govid.store.database import Connection
from govid.store.records import announce


class VerdictRow(NamedTuple):
    """One person's word on two subjects, ``subject_a`` < ``subject_b``."""

    subject_a: str
    subject_b: str
    verdict: str
    adjudicator: str
    note: str
    decided_at: float


def of_case(connection: Connection, case_id: int) -> list[VerdictRow]:
    """All verdicts of a case, the oldest first; nothing is ever overwritten."""
    rows = connection.rows(
        "SELECT subject_a, subject_b, verdict, adjudicator, note, decided_at FROM case_verdict"
        " WHERE case_id = ? ORDER BY verdict_id",
        (case_id,),
    )
    return [VerdictRow(*row) for row in rows]


def insert(connection: Connection, case_id: int, verdicts: Iterable[VerdictRow]) -> None:
    """Keep verdicts."""
    connection.execute_many(
        "INSERT INTO case_verdict (case_id, subject_a, subject_b, verdict, adjudicator, note, decided_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(case_id, *verdict) for verdict in verdicts],
    )


def settle(connection: Connection, subject_a: str, subject_b: str, verdict: str) -> None:
    """Remember how two subjects were settled, as far as the references go that they have now.

    With a reference that comes later, or a new subject of the name, they are looked at again.
    """
    connection.execute(
        "INSERT INTO settled_pair SELECT CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT),"
        " coalesce(max(reference_id), 0) FROM reference WHERE subject_id IN (?, ?)"
        " ON CONFLICT (subject_a, subject_b) DO UPDATE"
        " SET verdict = excluded.verdict, last_reference = excluded.last_reference",
        (subject_a, subject_b, verdict, subject_a, subject_b),
    )


def apart(connection: Connection, subject_id: str, others: Iterable[str]) -> set[str]:
    """Those of the others whom adjudicators found to be somebody else than this subject.

    A verdict is about the people it was given on: a subject enrolled later under the same name is another.
    """
    found = set()
    for other in others:
        a, b = sorted((subject_id, other))
        row = connection.row(
            "SELECT 1 FROM settled_pair WHERE subject_a = ? AND subject_b = ?"
            " AND verdict IN ('different', 'twins')"
            " AND last_reference >= (SELECT min(reference_id) FROM reference WHERE subject_id = subject_a)"
            " AND last_reference >= (SELECT min(reference_id) FROM reference WHERE subject_id = subject_b)",
            (a, b),
        )
        if row:
            found.add(other)
    return found


def mark(connection: Connection, case_id: int, *, disputed: bool, closed: bool) -> None:
    """Set what the verdicts came to."""
    connection.execute(
        "UPDATE duplicate_case SET disputed = ?, closed_at = ? WHERE case_id = ?",
        (int(disputed), time.time() if closed else None, case_id),
    )


def release(connection: Connection, subject_id: str) -> None:
    """Make a held subject active, and tell every gallery of its references."""
    connection.execute("UPDATE subject SET held = 0 WHERE subject_id = ?", (subject_id,))
    rows = connection.rows(
        "SELECT reference_id FROM reference WHERE subject_id = ? ORDER BY reference_id", (subject_id,)
    )
    announce(connection, [reference_id for (reference_id,) in rows])
