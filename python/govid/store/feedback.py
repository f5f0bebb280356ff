"""Ratings of decisions by those whom they concern, the complaints they open, and who is to be told."""

from __future__ import annotations

import time
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.errors import FeedbackExists, InvalidParameter, UnknownComplaint
from govid.store.audit import append
from govid.store.database import Connection, Database, Row, Value
from govid.store.notifications import enqueue
from govid.types import Seconds

Rating = Literal["good", "bad"]
ComplaintState = Literal["open", "answered", "reopened"]
MAX_PAGE = 1000
MAX_SAID = 20_000
"""Characters of all that is said in one complaint, with the answers to it."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a complaint."""

    answer: str
    answered_at: Seconds
    answered_by: str


class Complaint(msgspec.Struct, frozen=True, kw_only=True):
    """A bad rating, which somebody has to answer by ``due_at``."""

    complaint_id: int
    request_id: Annotated[str, Meta(description="Of the decision; the audit has it under this id")]
    comment: str
    created_at: Seconds
    due_at: Seconds
    closed_at: Seconds | None
    answer: str | None
    closed_by: str | None
    state: Annotated[ComplaintState, Meta(description="reopened: it was answered, and is open again")]
    earlier_answers: Annotated[
        tuple[Answer, ...],
        Meta(description="Oldest first: those from before it was reopened, and those that were corrected"),
    ]

    @property
    def answers(self) -> tuple[Answer, ...]:
        """All of them, oldest first."""
        if self.closed_at is None or self.answer is None:
            return self.earlier_answers
        last = Answer(answer=self.answer, answered_at=self.closed_at, answered_by=self.closed_by or "")
        return (*self.earlier_answers, last)


class ComplaintPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some complaints in order of their numbers."""

    complaints: tuple[Complaint, ...]
    next_after: Annotated[int | None, Meta(description="Pass as `after` for the next page; null at the end")]


class Opened(NamedTuple):
    """A complaint that is to be answered, by when."""

    complaint_id: int
    due_at: float


class _Said(NamedTuple):
    feedback_id: int
    rating: Rating
    comment: str
    due_at: float | None
    answer: str | None
    closed_at: float | None
    closed_by: str | None


class Feedback:
    """The ratings of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, request_id: str, rating: Rating, comment: str, record: AuditRecord, *, due_at: float
    ) -> Opened | None:
        """Keep a rating; a bad one opens a complaint and tells the operator in the same transaction.

        Two may hold the receipt, the citizen and who asked for the decision, and neither can speak for the
        other: a bad rating takes the place of a good one, adds its words to those of an open complaint, and
        opens one anew that was answered.

        Returns:
            The complaint, None for a good rating.

        Raises:
            FeedbackExists: the decision was rated before, and this says nothing new.
        """
        with self._database.writing() as connection:
            connection.exclusive("feedback")
            row = connection.row(f"SELECT {_SAID} FROM feedback WHERE request_id = ?", (request_id,))
            before = _Said(*row) if row else None
            comment = _joined(before, rating, comment)
            if before and before.due_at is not None and before.answer is None:
                due_at = before.due_at
            (feedback_id,) = connection.row(
                "INSERT INTO feedback (request_id, rating, comment, created_at, due_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (request_id) DO UPDATE"
                " SET rating = excluded.rating, comment = excluded.comment, created_at = excluded.created_at,"
                " due_at = excluded.due_at, closed_at = NULL, answer = NULL, closed_by = NULL"
                " RETURNING feedback_id",
                (request_id, rating, comment, record.time, due_at if rating == "bad" else None),
            ) or (0,)
            _keep_answer(connection, int(feedback_id), before)
            append(connection, record)
            if rating == "good":
                return None
            opened = Opened(int(feedback_id), due_at)
            if not before or before.due_at != due_at:
                enqueue(
                    connection,
                    "complaint.opened",
                    {"complaint_id": opened.complaint_id, "request_id": request_id, "due_at": due_at},
                )
            return opened

    def complaints(self, *, after: int, limit: int, open_only: bool) -> list[Complaint]:
        """Complaints whose id is above ``after``, oldest first."""
        still = " AND closed_at IS NULL" if open_only else ""
        return self._complaints(f"feedback_id > ?{still} ORDER BY feedback_id LIMIT ?", (after, limit))

    def complaint_about(self, request_id: str) -> Complaint | None:
        """The complaint about a decision; None without one."""
        return next(iter(self._complaints("request_id = ?", (request_id,))), None)

    def _complaints(self, which: str, parameters: tuple[Value, ...]) -> list[Complaint]:
        own = len(_COLUMNS)
        # One statement: between two of them an answer could move from the one table to the other.
        with self._database.reading() as connection:
            rows = connection.rows(
                "SELECT complaint.*, earlier.answer, answered_at, answered_by FROM"
                f" (SELECT {', '.join(_COLUMNS)} FROM feedback WHERE due_at IS NOT NULL AND {which})"
                " AS complaint"
                " LEFT JOIN earlier_answer AS earlier USING (feedback_id) ORDER BY feedback_id, answer_id",
                parameters,
            )
        return [
            _complaint(complaint, [row[own:] for row in found if row[own] is not None])
            for complaint, found in groupby(rows, key=lambda row: row[:own])
        ]

    def close(
        self, complaint_id: int, answer: str, closed_by: str, record: AuditRecord, *, correction: bool
    ) -> None:
        """Close a complaint with its answer, and tell the operator in the same transaction.

        Args:
            correction: of one that is answered: the answer before stays beside this one.

        Raises:
            UnknownComplaint: there is no open one of that id; for a correction, no answered one.
            InvalidParameter: it was corrected so often that nobody would read it.
        """
        with self._database.writing() as connection:
            connection.exclusive("feedback")
            row = connection.row(f"SELECT {_SAID} FROM feedback WHERE feedback_id = ?", (complaint_id,))
            before = _Said(*row) if row else None
            # Retention, which does not wait for that name, may have erased it since.
            closed = connection.row(
                "UPDATE feedback SET closed_at = ?, answer = ?, closed_by = ?"
                " WHERE feedback_id = ? AND due_at IS NOT NULL"
                f" AND closed_at IS {'NOT NULL' if correction else 'NULL'} RETURNING request_id",
                (time.time(), answer, closed_by, complaint_id),
            )
            if closed is None:
                raise UnknownComplaint
            _keep_answer(connection, complaint_id, before)
            if correction:
                _check_corrections(connection, complaint_id)
            append(connection, msgspec.structs.replace(record, about=closed[0]))
            enqueue(connection, "complaint.answered", {"complaint_id": complaint_id, "request_id": closed[0]})

    def ratings(self, request_ids: list[str]) -> dict[str, str]:
        """The rating of each decision that has one."""
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for request_id in request_ids:
                row = connection.row("SELECT rating FROM feedback WHERE request_id = ?", (request_id,))
                if row:
                    found[request_id] = row[0]
        return found


_SAID = ", ".join(_Said._fields)
_COLUMNS = (
    "feedback_id", "request_id", "comment", "created_at", "due_at", "closed_at", "answer", "closed_by"
)  # fmt: skip
"""Of a complaint, in the order in which they are selected."""


def _complaint(said: Row, earlier: list[Row]) -> Complaint:
    known: dict[str, Any] = dict(zip(("complaint_id", *_COLUMNS[1:]), said, strict=True))
    state: ComplaintState = "reopened" if earlier else "open"
    if known["closed_at"] is not None:
        state = "answered"
    answers = tuple(Answer(answer=text, answered_at=at, answered_by=by) for text, at, by in earlier)
    return Complaint(**known, state=state, earlier_answers=answers)


def _keep_answer(connection: Connection, feedback_id: int, before: _Said | None) -> None:
    """Put an answer that gives way to another state beside the complaint."""
    if before and before.answer is not None:
        connection.execute(
            "INSERT INTO earlier_answer (feedback_id, answer, answered_at, answered_by) VALUES (?, ?, ?, ?)",
            (feedback_id, before.answer, before.closed_at, before.closed_by),
        )


def _check_corrections(connection: Connection, feedback_id: int) -> None:
    (length,) = connection.row(
        "SELECT coalesce(sum(length(answer)), 0) FROM earlier_answer WHERE feedback_id = ?", (feedback_id,)
    ) or (0,)
    if length > MAX_SAID:
        raise InvalidParameter(f"{length} characters of earlier answers, at most {MAX_SAID}")


def _joined(before: _Said | None, rating: Rating, comment: str) -> str:
    """What a rating says together with what was said before; raises FeedbackExists."""
    if before is None:
        return comment
    if rating == "good":
        raise FeedbackExists
    # Whoever has the receipt first must not be able to praise a complaint away.
    if before.rating == "good":
        return comment
    # After an answer a few of the words before may be all that is left to say.
    answered = before.answer is not None
    if not comment or (comment == before.comment if answered else comment in before.comment):
        raise FeedbackExists
    said = "\n".join(part for part in (before.comment, comment) if part)
    if len(said) > MAX_SAID:
        raise FeedbackExists(f"{len(said)} characters of text, at most {MAX_SAID}")
    return said
