"""What the tables hold on one subject beside its references and the audit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from govid.store.database import Connection, Row
from govid.store.records import chunks, marks


class AttemptsRow(NamedTuple):
    """Failed attempts on a subject; ``counted_for`` is a use case, empty for all others together."""

    counted_for: str
    failures: int
    expires_at: float


class PairFound(NamedTuple):
    """A subject that a dedup job found to look like this one."""

    job_id: int
    other: str
    score: float
    case_id: int | None


class SettledRow(NamedTuple):
    """What adjudicators found another subject to be to this one."""

    other: str
    verdict: str


class ErasureRow(NamedTuple):
    """An earlier subject of this name, or a reference of the given id, of which nothing is left but that it
    was erased."""

    request_id: str
    erased_at: float
    references: int
    photos: int
    reference_id: int | None


class FeedbackRow(NamedTuple):
    """A rating of a decision, and its answer."""

    request_id: str
    rating: str
    comment: str
    created_at: float
    due_at: float | None
    closed_at: float | None
    answer: str | None


class EarlierAnswerRow(NamedTuple):
    """What was answered to a complaint before its present answer."""

    request_id: str
    answer: str
    answered_at: float


def failed_attempts(connection: Connection, subject_id: str) -> list[AttemptsRow]:
    """The counts that a lock comes of."""
    rows = connection.rows(
        "SELECT counted_for, failures, expires_at FROM failed_attempts WHERE subject_id = ?"
        " ORDER BY counted_for",
        (subject_id,),
    )
    return [AttemptsRow(*row) for row in rows]


def case_ids(connection: Connection, subject_id: str) -> list[int]:
    """Open and decided cases that a subject of this name is in."""
    rows = connection.rows(
        "SELECT case_id FROM case_subject WHERE subject_id = ? ORDER BY case_id", (subject_id,)
    )
    return [int(case_id) for (case_id,) in rows]


def pairs_found(connection: Connection, subject_id: str) -> list[PairFound]:
    """What dedup jobs found."""
    rows = connection.rows(
        "SELECT job_id, subject_b, score, case_id FROM dedup_pair WHERE subject_a = ?"
        " UNION ALL SELECT job_id, subject_a, score, case_id FROM dedup_pair WHERE subject_b = ?"
        " ORDER BY 1, 2",
        (subject_id, subject_id),
    )
    return [PairFound(*row) for row in rows]


def settled(connection: Connection, subject_id: str) -> list[SettledRow]:
    """What was settled, so that nobody asks again."""
    rows = connection.rows(
        "SELECT subject_b, verdict FROM settled_pair WHERE subject_a = ?"
        " UNION ALL SELECT subject_a, verdict FROM settled_pair WHERE subject_b = ? ORDER BY 1, 2",
        (subject_id, subject_id),
    )
    return [SettledRow(*row) for row in rows]


def erasures(connection: Connection, subject_id: str) -> list[ErasureRow]:
    """What is remembered of earlier subjects of this name, and of single references."""
    rows = connection.rows(
        "SELECT request_id, erased_at, reference_count, photo_count, reference_id FROM erasure"
        " WHERE subject_id = ? ORDER BY erasure_id",
        (subject_id,),
    )
    return [ErasureRow(*row) for row in rows]


def feedback(connection: Connection, request_ids: list[str]) -> list[FeedbackRow]:
    """What was said of these decisions, and answered."""
    columns = "request_id, rating, comment, created_at, due_at, closed_at, answer"
    query = f"SELECT {columns} FROM feedback WHERE request_id IN ({{}}) ORDER BY feedback_id"
    return [FeedbackRow(*row) for row in _about(connection, query, request_ids)]


def earlier_answers(connection: Connection, request_ids: list[str]) -> list[EarlierAnswerRow]:
    """Answers to complaints about these decisions from before a correction, or before they were reopened."""
    query = (
        "SELECT request_id, earlier_answer.answer, answered_at FROM earlier_answer"
        " JOIN feedback USING (feedback_id) WHERE request_id IN ({}) ORDER BY answer_id"
    )
    return [EarlierAnswerRow(*row) for row in _about(connection, query, request_ids)]


def _about(connection: Connection, query: str, request_ids: list[str]) -> Iterator[Row]:
    for some in chunks(request_ids):
        yield from connection.rows(query.format(marks(some)), some)
