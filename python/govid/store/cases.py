"""Cases of suspected duplicates, each for a person to decide."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NamedTuple

from govid.store import Suspicion
from govid.store.database import Connection
from govid.store.dedup import Pair
from govid.types import Reference


class CaseRow(NamedTuple):
    """A case, and what its pairs say of it. ``held`` is a subject that waits for its end."""

    case_id: int
    origin: str
    job_id: int | None
    created_at: float
    closed_at: float | None
    disputed: int
    cluster_subjects: int | None
    highest_score: float
    held: str | None


class PairRow(NamedTuple):
    """A pair of a case, its subjects in order; ``present`` if both references still exist."""

    subject_a: str
    subject_b: str
    reference_a: int
    reference_b: int
    score: float
    present: bool


def open_case(
    connection: Connection, origin: str, reference: Reference, suspicions: Sequence[Suspicion]
) -> int:
    """Open a case between a reference and those that look like it, inside the caller's transaction."""
    pairs = [
        Pair(
            suspicion.subject_id,
            reference.subject_id,
            suspicion.reference_id,
            reference.reference_id,
            suspicion.score,
        )
        for suspicion in suspicions
    ]
    return _open(connection, origin, pairs, job_id=None, cluster_subjects=None)


def open_cluster(connection: Connection, job_id: int, pairs: Sequence[Pair], cluster_subjects: int) -> int:
    """Open a case of pairs that a job found, inside the caller's transaction."""
    return _open(connection, "dedup", pairs, job_id=job_id, cluster_subjects=cluster_subjects)


def _open(
    connection: Connection,
    origin: str,
    pairs: Sequence[Pair],
    *,
    job_id: int | None,
    cluster_subjects: int | None,
) -> int:
    row = connection.row(
        "INSERT INTO duplicate_case (origin, job_id, created_at, cluster_subjects) VALUES (?, ?, ?, ?)"
        " RETURNING case_id",
        (origin, job_id, time.time(), cluster_subjects),
    )
    assert row is not None
    case_id = int(row[0])
    subjects = {subject for pair in pairs for subject in (pair.subject_a, pair.subject_b)}
    connection.execute_many(
        "INSERT INTO case_subject VALUES (?, ?)", [(case_id, subject) for subject in sorted(subjects)]
    )
    connection.execute_many(
        "INSERT INTO case_pair VALUES (?, ?, ?, ?, ?, ?)", [(case_id, *pair) for pair in pairs]
    )
    return case_id


_CASE = (
    "SELECT d.case_id, origin, job_id, created_at, closed_at, disputed, cluster_subjects,"
    " (SELECT max(score) FROM case_pair p WHERE p.case_id = d.case_id),"
    # Held for this very case: a subject of that name may have been enrolled anew since.
    " (SELECT max(s.subject_id) FROM case_pair p"
    "  JOIN reference r ON r.reference_id = p.reference_a OR r.reference_id = p.reference_b"
    "  JOIN subject s ON s.subject_id = r.subject_id WHERE p.case_id = d.case_id AND s.held = 1)"
    " FROM duplicate_case d"
)


def case(connection: Connection, case_id: int) -> CaseRow | None:
    """One case."""
    row = connection.row(f"{_CASE} WHERE d.case_id = ?", (case_id,))
    return None if row is None else CaseRow(*row)


def page(connection: Connection, *, closed: bool, after: int, limit: int) -> list[CaseRow]:
    """Open or closed cases with an id above ``after``, the oldest first."""
    rows = connection.rows(
        f"{_CASE} WHERE d.case_id > ? AND closed_at IS {'NOT ' if closed else ''}NULL"
        " ORDER BY d.case_id LIMIT ?",
        (after, limit),
    )
    return [CaseRow(*row) for row in rows]


def subjects(connection: Connection, case_id: int) -> tuple[str, ...]:
    """The subjects of a case, in order."""
    rows = connection.rows(
        "SELECT subject_id FROM case_subject WHERE case_id = ? ORDER BY subject_id", (case_id,)
    )
    return tuple(subject for (subject,) in rows)


def pairs(connection: Connection, case_id: int) -> list[PairRow]:
    """The pairs of a case, the most alike first."""
    rows = connection.rows(
        "SELECT subject_a, subject_b, reference_a, reference_b, score,"
        " EXISTS (SELECT 1 FROM reference WHERE reference_id = reference_a)"
        " AND EXISTS (SELECT 1 FROM reference WHERE reference_id = reference_b)"
        " FROM case_pair WHERE case_id = ? ORDER BY score DESC, reference_a, reference_b",
        (case_id,),
    )
    found = []
    for one, other, reference_a, reference_b, score, present in rows:
        (a, first), (b, second) = sorted(((one, reference_a), (other, reference_b)))
        found.append(PairRow(a, b, first, second, score, bool(present)))
    return found


def open_with(connection: Connection, subject_id: str) -> list[int]:
    """The open cases that a subject is in."""
    rows = connection.rows(
        "SELECT case_id FROM case_subject JOIN duplicate_case USING (case_id)"
        " WHERE subject_id = ? AND closed_at IS NULL ORDER BY case_id",
        (subject_id,),
    )
    return [int(case_id) for (case_id,) in rows]


def stand_in(connection: Connection, subject_id: str, reference_id: int) -> None:
    """Let the oldest other reference of a subject take the place of one that goes, in the open cases.

    Whether two subjects are one person is a question as long as both are enrolled. A new subject of the name
    has other references, none of which stands in any older case.
    """
    row = connection.row(
        "SELECT min(reference_id) FROM reference WHERE subject_id = ? AND reference_id <> ?",
        (subject_id, reference_id),
    )
    assert row is not None
    other = row[0]
    for case_id in open_with(connection, subject_id):
        for here, there in ("ab", "ba"):
            # Where the two are a pair of the case already, it is enough for them.
            connection.execute(
                f"UPDATE case_pair SET reference_{here} = ? WHERE case_id = ? AND reference_{here} = ?"
                " AND NOT EXISTS (SELECT 1 FROM case_pair p WHERE p.case_id = case_pair.case_id"
                f" AND p.reference_{here} = ? AND p.reference_{there} = case_pair.reference_{there})",
                (other, case_id, reference_id, other),
            )


def close_empty(connection: Connection, subject_id: str) -> None:
    """After a subject was deleted: close cases in which nobody is left to be compared, and nobody is held.

    A held subject stays in the queue: whom it looked like is gone, but a person has yet to let it in.
    """
    connection.execute(
        "UPDATE duplicate_case SET closed_at = ? WHERE closed_at IS NULL"
        " AND case_id IN (SELECT case_id FROM case_subject WHERE subject_id = ?)"
        " AND NOT EXISTS (SELECT 1 FROM case_pair p"
        "  JOIN reference a ON a.reference_id = p.reference_a"
        "  JOIN reference b ON b.reference_id = p.reference_b"
        "  WHERE p.case_id = duplicate_case.case_id)"
        " AND NOT EXISTS (SELECT 1 FROM case_pair p"
        "  JOIN reference r ON r.reference_id = p.reference_a OR r.reference_id = p.reference_b"
        "  JOIN subject s ON s.subject_id = r.subject_id"
        "  WHERE p.case_id = duplicate_case.case_id AND s.held = 1)",
        (time.time(), subject_id),
    )
