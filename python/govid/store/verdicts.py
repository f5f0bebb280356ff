"""What adjudicators said of the pairs of a case, and what follows from it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from govid.store import cases
from govid.store.changes import announce
from govid.store.database import Connection

TWO_PEOPLE = frozenset({"different", "twins"})
SubjectPair: TypeAlias = tuple[str, str]
"""Two subjects in order."""


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


def words(given: Iterable[VerdictRow]) -> dict[SubjectPair, dict[str, str]]:
    """The latest verdict of each person on each pair."""
    found: dict[SubjectPair, dict[str, str]] = {}
    for row in given:
        found.setdefault((row.subject_a, row.subject_b), {})[row.adjudicator] = row.verdict
    return found


def settled(given: Iterable[VerdictRow], required: int) -> Mapping[SubjectPair, str]:
    """The pairs on which enough people agree, and more than say anything else."""
    found = {}
    for pair, said in words(given).items():
        (verdict, most), *others = Counter(said.values()).most_common()
        if most >= required and all(count < most for _, count in others):
            found[pair] = verdict
    return found


def due(pairs: Iterable[cases.PairRow]) -> set[SubjectPair]:
    """The pairs that have to be settled: those of which both subjects are there, or all if there is none."""
    pairs = list(pairs)
    present = _present(pairs)
    return present or {(pair.subject_a, pair.subject_b) for pair in pairs}


def conclude(
    connection: Connection, case_id: int, required: int, said: Iterable[SubjectPair] = ()
) -> str | None:
    """Do to an open case what its verdicts come to: close it, release whom it holds; the subject released.

    Args:
        required: how many different people must agree on two subjects.
        said: the pairs that a verdict was given on just now. What is settled of them is so for the references
            of today; an older verdict knew nothing of a newer photo, or of a new subject of the name.
    """
    case = cases.case(connection, case_id)
    assert case is not None
    pairs = cases.pairs(connection, case_id)
    given = of_case(connection, case_id)
    agreed = settled(given, required)
    for a, b in sorted(_present(pairs).intersection(said, agreed)):
        settle(connection, a, b, agreed[a, b])
    closed = due(pairs) <= agreed.keys()
    disputed = any(len(set(by.values())) > 1 for pair, by in words(given).items() if pair not in agreed)
    mark(connection, case_id, disputed=disputed, closed=closed)
    if case.held and closed and TWO_PEOPLE.issuperset(agreed.values()):
        release(connection, case.held)
        return case.held
    return None


def _present(pairs: Iterable[cases.PairRow]) -> set[SubjectPair]:
    return {(pair.subject_a, pair.subject_b) for pair in pairs if pair.present}


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


def forget(connection: Connection, subject_id: str) -> None:
    """How an erased subject was settled with others: what a case of theirs says stays with the case."""
    connection.execute(
        "DELETE FROM settled_pair WHERE subject_a = ? OR subject_b = ?", (subject_id, subject_id)
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
