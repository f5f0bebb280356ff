"""The queue of suspected duplicates, and what people decide of them.

A verdict merges nothing and deletes nothing: it is a finding. ``different`` and ``twins`` release a subject
that was held for the case; after ``same`` or ``fraud`` it stays held until it is deleted. Who decides is the
caller where callers authenticate. Where they do not it is a field of the request: two people then guard
against error, not deceit.
"""

from __future__ import annotations

import hashlib
import time
import unicodedata
from enum import StrEnum
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.callers import LOCAL, Caller
from govid.errors import CaseClosed, InvalidParameter, UnknownCase
from govid.results import Score
from govid.store import Idempotency, cases, records, verdicts
from govid.store.audit import append as append_audit
from govid.store.database import MAX_INTEGER, Connection, Database
from govid.store.verdicts import SubjectPair, VerdictRow
from govid.types import Seconds

MAX_PAGE = 1000
MAX_NAME = 128
MAX_NOTE = 2000


class Verdict(StrEnum):
    """What two subjects are to each other."""

    SAME = "same"
    DIFFERENT = "different"
    TWINS = "twins"
    FRAUD = "fraud"


class CaseSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A case in the queue."""

    case_id: int
    origin: Annotated[str, Meta(description="`enrolment` or `dedup`")]
    job_id: Annotated[int | None, Meta(description="The dedup job that found it")]
    created_at: Seconds
    closed_at: Seconds | None
    disputed: Annotated[bool, Meta(description="Adjudicators disagree on a pair")]
    subjects: tuple[str, ...]
    cluster_subjects: Annotated[
        int | None,
        Meta(
            description="Subjects that hang together in all; more than `subjects`: other cases have the rest"
        ),
    ]
    held: Annotated[str | None, Meta(description="The subject that is not active because of this case")]
    highest_score: Score


class CasePair(msgspec.Struct, frozen=True, kw_only=True):
    """Two references that look like one person."""

    subject_a: str
    subject_b: str
    reference_a: Annotated[
        int,
        Meta(
            description="One that is deleted while the case is open gives its place to the oldest other of "
            "its subject; the score stays that of the two that were found"
        ),
    ]
    reference_b: Annotated[int, Meta(description="As `reference_a`")]
    score: Score
    present: Annotated[bool, Meta(description="Both references still exist")]


class VerdictRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One person's word on two subjects."""

    subject_a: str
    subject_b: str
    verdict: Verdict
    adjudicator: str
    note: str
    decided_at: Seconds


class SettledPair(msgspec.Struct, frozen=True, kw_only=True):
    """What as many people as are required agree on."""

    subject_a: str
    subject_b: str
    verdict: Verdict


class Case(CaseSummary, frozen=True, kw_only=True):
    """A case with its evidence and what was said of it."""

    pairs: tuple[CasePair, ...]
    verdicts: tuple[VerdictRecord, ...]
    settled: tuple[SettledPair, ...]
    request_id: Annotated[str, Meta(description="Of the verdict this is the reply to; empty otherwise")] = ""


class CasePage(msgspec.Struct, frozen=True, kw_only=True):
    """Some cases in order of their ids."""

    cases: tuple[CaseSummary, ...]
    next_after: Annotated[int | None, Meta(description="Pass as `after` for the next page; null at the end")]


class Adjudication:
    """Reads the queue and takes verdicts. Safe to call from several threads."""

    def __init__(self, database: Database, *, required: int = 1) -> None:
        """
        Args:
            required: how many different people must agree on two subjects, 1 or 2.
        """
        self._database = database
        self._required = required

    def page(self, *, closed: bool = False, after: int = 0, limit: int = 100) -> CasePage:
        """Open or closed cases behind an id, the oldest first.

        Raises:
            InvalidParameter, OperatorError.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidParameter(f"limit is {limit}, allowed are 1 to {MAX_PAGE}")
        with self._database.reading() as connection:
            rows = cases.page(
                connection, closed=closed, after=min(max(after, 0), MAX_INTEGER), limit=limit + 1
            )
            shown = tuple(CaseSummary(**_summary(connection, row)) for row in rows[:limit])
        return CasePage(cases=shown, next_after=shown[-1].case_id if len(rows) > limit else None)

    def case(self, case_id: int) -> Case:
        """One case.

        Raises:
            UnknownCase, OperatorError.
        """
        with self._database.reading() as connection:
            return self._case(connection, case_id)

    def decide(
        self,
        case_id: int,
        verdict: Verdict,
        *,
        adjudicator: str | None = None,
        note: str = "",
        subjects: tuple[str, str] | None = None,
        idempotency_key: str | None = None,
        request_id: str,
        caller: Caller = LOCAL,
    ) -> Case:
        """Say what two subjects of a case are to each other; without naming two, all that are not settled,
        or all if none is left.

        Settled is what the required number of different people agree on, each by the latest word. The case
        closes when all its pairs are. The audit record is written in the same transaction.

        Args:
            adjudicator: who decides, where nobody authenticated; upper and lower case do not make two people.
                Of any other caller it is the caller, and another name is refused.
            idempotency_key: the same key and request again returns the first reply and changes nothing.
            caller: whom the audit names.

        Raises:
            UnknownCase, CaseClosed, InvalidParameter, IdempotencyKeyReused, OperatorError.
        """
        adjudicator = _adjudicator(adjudicator, caller)
        if len(note) > MAX_NOTE:
            raise InvalidParameter(f"the note has {len(note)} characters, allowed are {MAX_NOTE}")
        asked = (case_id, verdict, adjudicator, note, subjects and sorted(subjects))
        idempotency = _idempotency(idempotency_key, caller, asked)
        with self._database.writing() as connection:
            if replayed := records.claimed(connection, idempotency):
                return msgspec.json.decode(replayed.reply, type=Case)
            # Before any row is locked, as a deletion does.
            connection.exclusive("gallery_change")
            before = self._case(connection, case_id)
            if before.closed_at is not None:
                raise CaseClosed
            now = time.time()
            pairs = _asked(before, verdicts.due(cases.pairs(connection, case_id)), subjects)
            verdicts.insert(
                connection, case_id, [VerdictRow(a, b, verdict, adjudicator, note, now) for a, b in pairs]
            )
            verdicts.conclude(connection, case_id, self._required, pairs)
            append_audit(
                connection,
                AuditRecord(
                    time=now,
                    request_id=request_id,
                    caller=caller.name,
                    operation="adjudicate",
                    outcome=verdict.upper(),
                    candidates=tuple(sorted({subject for pair in pairs for subject in pair})),
                    case_id=case_id,
                    adjudicator=adjudicator,
                ),
            )
            after = msgspec.structs.replace(self._case(connection, case_id), request_id=request_id)
            records.remember(connection, idempotency, lambda: msgspec.json.encode(after))
        return after

    def _case(self, connection: Connection, case_id: int) -> Case:
        row = cases.case(connection, case_id) if 0 < case_id <= MAX_INTEGER else None
        if row is None:
            raise UnknownCase
        given = verdicts.of_case(connection, case_id)
        return Case(
            **_summary(connection, row),
            pairs=tuple(CasePair(**pair._asdict()) for pair in cases.pairs(connection, case_id)),
            verdicts=tuple(
                VerdictRecord(**{**word._asdict(), "verdict": Verdict(word.verdict)}) for word in given
            ),
            settled=tuple(
                SettledPair(subject_a=a, subject_b=b, verdict=Verdict(verdict))
                # A closed case was settled by the rule of its day.
                for (a, b), verdict in verdicts.settled(
                    given, self._required if row.closed_at is None else 1
                ).items()
            ),
        )


def _summary(connection: Connection, row: cases.CaseRow) -> dict[str, Any]:
    return {
        **row._asdict(),
        "disputed": bool(row.disputed),
        "subjects": cases.subjects(connection, row.case_id),
    }


def _adjudicator(said: str | None, caller: Caller) -> str:
    """Who decides: a caller who is known speaks for nobody else."""
    if caller == LOCAL:
        name = said or ""
        if not (1 <= len(name) <= MAX_NAME and name.isprintable() and name == name.strip()):
            raise InvalidParameter(f"adjudicator: 1 to {MAX_NAME} printable characters, no space at an end")
        return _person(name)
    if said not in {None, caller.name}:
        raise InvalidParameter("adjudicator: it is the caller who decides, leave the field out")
    return _person(caller.name)


def _person(name: str) -> str:
    """A name under which one person is one person."""
    return unicodedata.normalize("NFKC", name).casefold()


def _asked(case: Case, due: set[SubjectPair], subjects: tuple[str, str] | None) -> list[SubjectPair]:
    """The pairs a verdict is about.

    In an open case all may be settled already, when fewer people are required than before: each of them can
    still be decided otherwise, and no verdict goes without effect.

    Raises:
        InvalidParameter: the two subjects are no pair of the case.
        CaseClosed: they are settled, and others are not.
    """
    settled = {(pair.subject_a, pair.subject_b) for pair in case.settled}
    if subjects is None:
        return sorted(due - settled) or sorted(due)
    a, b = sorted(subjects)
    if (a, b) not in {(pair.subject_a, pair.subject_b) for pair in case.pairs}:
        raise InvalidParameter("subjects: these two are no pair of the case")
    if (a, b) in settled and due - settled:
        raise CaseClosed("the two subjects are settled")
    return [(a, b)]


def _idempotency(key: str | None, caller: Caller, asked: object) -> Idempotency | None:
    """Each caller has its own keys."""
    if key is None:
        return None
    return Idempotency(
        f"{caller.name} {key}", hashlib.sha256(b"adjudicate" + msgspec.json.encode(asked)).hexdigest()
    )
