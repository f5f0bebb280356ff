"""Ratings of decisions by those whom they concern, the complaints they open, and who is to be told."""

from __future__ import annotations

import time
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.errors import FeedbackExists, UnknownComplaint
from govid.store.audit import append
from govid.store.database import Database
from govid.store.notifications import enqueue
from govid.types import Seconds

Rating = Literal["good", "bad"]
MAX_PAGE = 1000
MAX_SAID = 20_000
"""Characters of all that is said in one complaint, with the answers to it."""


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
    answer: str | None
    due_at: float | None


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
            row = connection.row(
                "SELECT feedback_id, rating, comment, answer, due_at FROM feedback WHERE request_id = ?",
                (request_id,),
            )
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
        with self._database.reading() as connection:
            rows = connection.rows(
                "SELECT feedback_id, request_id, comment, created_at, due_at, closed_at, answer, closed_by"
                f" FROM feedback WHERE due_at IS NOT NULL AND feedback_id > ?{still}"
                " ORDER BY feedback_id LIMIT ?",
                (after, limit),
            )
        return [Complaint(**dict(zip(Complaint.__struct_fields__, row, strict=True))) for row in rows]

    def close(self, complaint_id: int, answer: str, closed_by: str, record: AuditRecord) -> None:
        """Close a complaint with its answer.

        Raises:
            UnknownComplaint: there is no open one of that id.
        """
        with self._database.writing() as connection:
            closed = connection.row(
                "UPDATE feedback SET closed_at = ?, answer = ?, closed_by = ?"
                " WHERE feedback_id = ? AND due_at IS NOT NULL AND closed_at IS NULL RETURNING request_id",
                (time.time(), answer, closed_by, complaint_id),
            )
            if closed is None:
                raise UnknownComplaint
            append(connection, msgspec.structs.replace(record, about=closed[0]))

    def ratings(self, request_ids: list[str]) -> dict[str, str]:
        """The rating of each decision that has one."""
        found: dict[str, str] = {}
        with self._database.reading() as connection:
            for request_id in request_ids:
                row = connection.row("SELECT rating FROM feedback WHERE request_id = ?", (request_id,))
                if row:
                    found[request_id] = row[0]
        return found


def _joined(before: _Said | None, rating: Rating, comment: str) -> str:
    """What a rating says together with what was said before; raises FeedbackExists."""
    if before is None:
        return comment
    if rating == "good":
        raise FeedbackExists
    # Whoever has the receipt first must not be able to praise a complaint away.
    if before.rating == "good":
        return comment
    if not comment or comment in before.comment:
        raise FeedbackExists
    parts = [before.comment, f"[{before.answer}]" if before.answer else "", comment]
    said = "\n".join(part for part in parts if part)
    if len(said) > MAX_SAID:
        raise FeedbackExists(f"{len(said)} characters of text, at most {MAX_SAID}")
    return said
