"""Ratings of decisions by those whom they concern, the complaints they open, and who is to be told."""

from __future__ import annotations

import time
from typing import Annotated, Literal

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


class Feedback:
    """The ratings of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self, request_id: str, rating: Rating, comment: str, record: AuditRecord, *, due_at: float
    ) -> int | None:
        """Keep a rating; a bad one opens a complaint and tells the operator in the same transaction.

        Returns:
            Id of the complaint, None for a good rating.

        Raises:
            FeedbackExists: the decision was rated before. Only a good rating gives way to a bad one.
        """
        with self._database.writing() as connection:
            bad = rating == "bad"
            row = connection.row(
                "INSERT INTO feedback (request_id, rating, comment, created_at, due_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (request_id) DO UPDATE"
                # Whoever has the receipt first must not be able to praise a complaint away.
                " SET rating = excluded.rating, comment = excluded.comment, created_at = excluded.created_at,"
                " due_at = excluded.due_at WHERE feedback.rating = 'good' AND excluded.rating = 'bad'"
                " RETURNING feedback_id",
                (request_id, rating, comment, record.time, due_at if bad else None),
            )
            if row is None:
                raise FeedbackExists
            append(connection, record)
            if not bad:
                return None
            complaint_id = int(row[0])
            enqueue(
                connection,
                "complaint.opened",
                {"complaint_id": complaint_id, "request_id": request_id, "due_at": due_at},
            )
            return complaint_id

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
