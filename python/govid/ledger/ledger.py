"""What an auditor, a citizen and an operator ask of the audit."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid import subject_id
from govid.audit import AuditRecord, Operation, Outcome
from govid.callers import LOCAL, Caller
from govid.errors import InvalidParameter, InvalidReceipt, UnknownComplaint
from govid.ledger import checkpoints, erasures, receipts
from govid.ledger.checkpoints import Checkpoint, Finding
from govid.ledger.rotation import Keyring
from govid.ledger.signing import Signer
from govid.store.audit import MAX_ROWS, AuditFilter, AuditLog, AuditRow
from govid.store.database import MAX_INTEGER, Database
from govid.store.erasures import Erased
from govid.store.feedback import ComplaintPage, ComplaintState, Feedback, Rating
from govid.types import EPOCH, Seconds

MAX_COMMENT = 2000


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows, newest first."""

    rows: tuple[AuditRow, ...]
    next_before: Annotated[
        int | None, Meta(description="Pass as `before` for the next page; null at the end")
    ]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a subject's face."""

    audit_id: int
    time: Seconds
    caller: str | None
    operation: Operation
    use_case: str | None
    outcome: Outcome
    request_id: str
    as_candidate: Annotated[bool, Meta(description="Somebody else was searched for, and this subject shown")]
    rating: str | None


class UsePage(msgspec.Struct, frozen=True, kw_only=True):
    """Uses of one subject's face, newest first."""

    subject_id: str
    uses: tuple[Use, ...]
    next_before: int | None


class Rated(msgspec.Struct, frozen=True, kw_only=True):
    """A rating that was kept."""

    request_id: Annotated[str, Meta(description="Of the decision that was rated")]
    rating: str
    complaint_id: Annotated[int | None, Meta(description="The complaint that a bad rating opened")]
    due_at: Annotated[
        Seconds | None,
        Meta(description=f"{EPOCH}: when it has to be answered; null: none was opened"),
    ]


class ReadableAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer to a complaint, without who gave it."""

    answer: str
    answered_at: Seconds


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """What became of the complaint about a decision, for whoever holds its receipt."""

    request_id: Annotated[str, Meta(description="Of the decision")]
    state: Annotated[
        Literal["none", ComplaintState],
        Meta(description="none: there is no complaint; reopened: it was answered, and is open again"),
    ]
    complaint_id: int | None
    due_at: Annotated[Seconds | None, Meta(description=f"{EPOCH}: when it has to be answered")]
    answers: Annotated[
        tuple[ReadableAnswer, ...],
        Meta(description="Oldest first: a later one adds to those before it, or corrects them"),
    ]


class Ledger:
    """Safe to call from several threads."""

    def __init__(
        self, database: Database, signing_key: Path, models: dict[str, str], *, complaint_days: float
    ) -> None:
        """Open the audit of a store.

        Args:
            signing_key: PEM file; made where there is none and the records name none.
            models: SHA-256 of the models in use by name, for receipts.
            complaint_days: within which a complaint has to be answered.

        Raises:
            InvalidSettings, SigningKeyGone, SigningKeyForeign, SigningKeyRetired, AuditBroken,
            StoreUnavailable.
        """
        self.log = AuditLog(database)
        self._keyring = Keyring(signing_key, self.log)
        self._feedback = Feedback(database)
        self._models = models
        self._complaint_seconds = complaint_days * 86400

    @property
    def signer(self) -> Signer:
        """Who signs now; raises SigningKeyRetired where only another server can."""
        return self._keyring.signer

    def receipt(self, record: AuditRecord, digest: bytes) -> str:
        """The signed receipt of an audited decision."""
        return receipts.issue(self.signer, record, digest, self._models)

    def erasure_receipt(self, erased: Erased) -> str:
        """The signed receipt of an erasure; the same one each time."""
        return erasures.issue(self.signer, erased)

    # --- auditors -----------------------------------------------------------------------------------

    def rows(self, wanted: AuditFilter, *, before: int | None = None, limit: int = 100) -> AuditPage:
        """Rows that match, newest first, ``limit`` (1 to 1000) at a time.

        Raises:
            InvalidParameter, OperatorError.
        """
        _check_limit(limit)
        before = None if before is None else min(max(before, 0), MAX_INTEGER)
        rows = self.log.rows(wanted, before=before, limit=limit + 1)
        more = len(rows) > limit
        rows = rows[:limit]
        return AuditPage(rows=tuple(rows), next_before=rows[-1].audit_id if more else None)

    def examine(self, at_row: Callable[[], None] = lambda: None) -> Finding:
        """Follow the chain, check each checkpoint against it, and that each row is filed as it says.

        ``at_row`` is called at each row that is read, to give way or, by an error, to stop.
        """
        return checkpoints.examine_log(self.log, self.signer.verifier, at_row)

    def checkpoint(self) -> list[Checkpoint]:
        """Sign what came since the last checkpoint, in one for each million rows; none if nothing did.

        Raises:
            AuditBroken: the chain is broken there.
        """
        return checkpoints.make(self.log, self.signer)

    # --- citizens -----------------------------------------------------------------------------------

    def uses(self, subject: str, *, before: int | None = None, limit: int = 100) -> UsePage:
        """Every use of a subject's face, by whom, when and for what, newest first.

        A subject that was deleted still has its past.

        Raises:
            InvalidSubjectId, InvalidParameter, OperatorError.
        """
        page = self.rows(AuditFilter(subject_id=subject_id.checked(subject)), before=before, limit=limit)
        ratings = self._feedback.ratings([row.record.request_id for row in page.rows])
        uses = tuple(
            Use(
                audit_id=row.audit_id,
                time=row.record.time,
                caller=row.record.caller,
                operation=row.record.operation,
                use_case=row.record.use_case,
                outcome=row.record.outcome,
                request_id=row.record.request_id,
                as_candidate=row.record.subject_id != subject,
                rating=ratings.get(row.record.request_id),
            )
            for row in page.rows
        )
        return UsePage(subject_id=subject, uses=uses, next_before=page.next_before)

    def rate(self, rated: str, receipt: str, rating: Rating, comment: str, *, request_id: str) -> Rated:
        """Rate the decision of a receipt; whoever holds the receipt may, and add to a complaint.

        Args:
            rated: request id of the decision.

        Raises:
            InvalidReceipt, FeedbackExists, InvalidParameter, OperatorError.
        """
        claims = self._claims(rated, receipt)
        _check_comment(comment)
        now = time.time()
        due_at = now + self._complaint_seconds
        record = AuditRecord(
            time=now,
            request_id=request_id,
            # Whoever holds the receipt: the citizen, not the relying party.
            caller=None,
            about=rated,
            operation="rate",
            outcome=f"RATED_{rating.upper()}",
            use_case=claims.use_case,
        )
        opened = self._feedback.add(rated, rating, comment, record, due_at=due_at)
        return Rated(
            request_id=rated,
            rating=rating,
            complaint_id=opened.complaint_id if opened else None,
            due_at=opened.due_at if opened else None,
        )

    def answers(self, rated: str, receipt: str) -> Answers:
        """What became of the complaint about the decision of a receipt; whoever holds the receipt may ask.

        Nothing of who complained in what words: two hold a receipt.

        Args:
            rated: request id of the decision.

        Raises:
            InvalidReceipt, InvalidParameter, OperatorError.
        """
        self._claims(rated, receipt)
        found = self._feedback.complaint_about(rated)
        if found is None:
            return Answers(request_id=rated, state="none", complaint_id=None, due_at=None, answers=())
        said = (ReadableAnswer(answer=one.answer, answered_at=one.answered_at) for one in found.answers)
        return Answers(
            request_id=rated,
            state=found.state,
            complaint_id=found.complaint_id,
            due_at=found.due_at,
            answers=tuple(said),
        )

    def _claims(self, rated: str, receipt: str) -> receipts.Receipt:
        """The claims of a receipt that is the one of a decision."""
        verifier = self.signer.verifier
        claims = receipts.read(verifier, receipt)
        # Who has a key that was retired can sign with an earlier date, but not change when a row was made.
        if verifier.retired(receipt):
            row = self.log.find(claims.jti, claims.audit)
            if row is None or int(row.time) != claims.iat:
                raise InvalidReceipt("its key was retired before")
        if claims.jti != rated:
            raise InvalidParameter("the receipt is of another decision")
        return claims

    # --- operators ----------------------------------------------------------------------------------

    def complaints(self, *, after: int = 0, limit: int = 100, open_only: bool = True) -> ComplaintPage:
        """Complaints behind an id, oldest first, ``limit`` (1 to 1000) at a time.

        Raises:
            InvalidParameter, OperatorError.
        """
        _check_limit(limit)
        found = self._feedback.complaints(
            after=min(max(after, 0), MAX_INTEGER), limit=limit + 1, open_only=open_only
        )
        page = found[:limit]
        more = len(found) > limit
        return ComplaintPage(complaints=tuple(page), next_after=page[-1].complaint_id if more else None)

    def close_complaint(
        self,
        complaint_id: int,
        answer: str,
        *,
        request_id: str,
        caller: Caller = LOCAL,
        correction: bool = False,
        login: str = "",
    ) -> None:
        """Close a complaint with the answer given, which whoever holds the receipt can read.

        Args:
            correction: of one that is answered: what was said before stays beside it.
            login: who does it, as far as this machine knows; for the audit.

        Raises:
            UnknownComplaint, InvalidParameter, OperatorError.
        """
        _check_comment(answer)
        if not answer.strip():
            raise InvalidParameter("answer: nothing was written")
        if not 0 < complaint_id <= MAX_INTEGER:
            raise UnknownComplaint
        record = AuditRecord(
            time=time.time(),
            request_id=request_id,
            caller=caller.name,
            operation="close_complaint",
            outcome="CORRECTED" if correction else "CLOSED",
            note=f"by the login {login}" if login else None,
        )
        self._feedback.close(complaint_id, answer, caller.name, record, correction=correction)


def _check_limit(limit: int) -> None:
    if not 1 <= limit <= MAX_ROWS:
        raise InvalidParameter(f"limit is {limit}, allowed are 1 to {MAX_ROWS}")


def _check_comment(comment: str) -> None:
    if len(comment) > MAX_COMMENT:
        raise InvalidParameter(f"{len(comment)} characters of text, at most {MAX_COMMENT}")
    # SQLite counts no further than a NUL, PostgreSQL takes none, and a command line may be no UTF-8.
    if any(letter == "\0" or "\ud800" <= letter <= "\udfff" for letter in comment):
        raise InvalidParameter("the text has a character that cannot be kept: NUL, or one that is no UTF-8")
