"""What is kept, and no longer than its time: small transactions, each with an audit record of what it erased.

A run may be stopped or killed at any moment. What was committed is recorded; the next run finds the rest.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from govid import policy
from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL
from govid.config import Settings
from govid.errors import ClockDoubtful, SigningKeyRetired
from govid.ledger import expiry
from govid.ledger.signing import Signer
from govid.store import retention as past
from govid.store.audit import append, erase, last_rotation
from govid.store.database import Connection, Database
from govid.store.records import IDEMPOTENCY_SECONDS
from govid.use_cases import UseCases

DAY = 86_400.0
LONGEST_SILENCE = 32 * DAY  # a month, and an hour of winter time, and whatever cron is late
"""How far the clock may be from what the records show. A wrong clock erases so much too early at most."""
_LAST_DATE = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
# A writer waits for one batch at most: some milliseconds, as long as an enrolment takes.
_ROWS_AT_ONCE = 500
_PHOTOS_AT_ONCE = 20


class Refused(msgspec.Struct, frozen=True):
    """The error that a run would stop with, before it erases anything."""

    slug: str
    detail: str
    remedy: str


class Retention(msgspec.Struct, frozen=True, kw_only=True):
    """What was erased, or would be."""

    dry_run: bool
    erased: Annotated[dict[str, int], Meta(description="How many of each kind; none of it is 0")]
    decisions: Annotated[dict[str, int], Meta(description="Audit rows by use case, of which digests stay")]
    references_too_old: Annotated[
        dict[str, int],
        Meta(description="References that a use case no longer compares with: told, never erased"),
    ]
    finished: Annotated[bool, Meta(description="False: it was stopped, and the next run goes on")] = True
    refused: Annotated[Refused | None, Meta(description="Why a run would erase none of it (dry run)")] = None


class Batch(NamedTuple):
    """One batch: what it was of, the use case if it was decisions, and how many."""

    kind: str
    use_case: str
    rows: int


class _Step(msgspec.Struct, frozen=True):
    """One kind of thing, what is past its time, and how many go at once."""

    name: str
    past: past.Past
    before: float
    at_once: int = _ROWS_AT_ONCE


class Keeper:
    """Erases what is past its time. Several may run at once on one store: each thing goes once."""

    def __init__(
        self,
        database: Database,
        settings: Settings,
        use_cases: UseCases,
        signer: Callable[[], Signer],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """
        Args:
            signer: gives the key that signs now; asked for each batch, because keys are rotated meanwhile.
            clock: seconds since the epoch (UTC).
        """
        self._database, self._settings, self._clock = database, settings, clock
        self._use_cases, self._signer = use_cases, signer

    def due(self, *, trust_clock: bool = False) -> Retention:
        """How much is past its time, by a clock that may be in doubt, and if so why; nothing is changed.

        Raises:
            OperatorError.
        """
        now, refused = self._clock(), None
        with self._database.reading() as connection:
            try:
                check_clock(connection, now)
            except ClockDoubtful as doubt:
                if not trust_clock:
                    refused = Refused(doubt.slug, doubt.detail, doubt.remedy)
            return Retention(
                dry_run=True,
                refused=refused,
                erased={step.name: step.past.count(connection, step.before) for step in self._steps(now)},
                decisions={
                    purpose.name: past.count_decisions(connection, purpose.name, before)
                    for purpose, before in self._decisions(now)
                },
                references_too_old=self._too_old(connection, now),
            )

    def run(self, stopped: Callable[[], bool] = lambda: False, *, trust_clock: bool = False) -> Retention:
        """Erase all of it, unless stopped between two batches.

        Raises:
            ClockDoubtful: as ``batches``; nothing was erased.
            OperatorError: what was erased until then is recorded.
        """
        now = self._clock()
        erased = Counter({step.name: 0 for step in self._steps(now)})
        decisions = Counter({purpose.name: 0 for purpose, _ in self._decisions(now)})
        finished = False
        with closing(self.batches(trust_clock=trust_clock)) as batches:
            for kind, use_case, count in batches:
                if use_case:
                    decisions[use_case] += count
                else:
                    erased[kind] += count
                if stopped():
                    break
            else:
                finished = True
        with self._database.reading() as connection:
            too_old = self._too_old(connection, now)
        return Retention(
            dry_run=False,
            erased=erased,
            decisions=decisions,
            references_too_old=too_old,
            finished=finished,
        )

    def batches(self, *, trust_clock: bool = False) -> Generator[Batch, None, None]:
        """Erase one batch after the other.

        Args:
            trust_clock: go on although the records show nothing of a long time, and say so in the audit.

        Raises:
            ClockDoubtful: they do not, and it is not trusted.
        """
        now = self._clock()
        self._believe(now, trust_clock)
        try:
            for step in self._steps(now):
                while count := self._erase(step):
                    yield Batch(step.name, "", count)
            for purpose, before in self._decisions(now):
                while count := self._erase_decisions(purpose.name, before):
                    yield Batch("decisions", purpose.name, count)
        finally:
            # Also where nothing was left to erase: the run before may have been killed.
            self._database.scrub()

    def _believe(self, now: float, trusted: bool) -> None:
        doubtful = False
        with self._database.reading() as connection:
            try:
                check_clock(connection, now)
            except ClockDoubtful:
                if not trusted:
                    raise
                doubtful = True
        with self._database.writing() as connection:
            connection.exclusive("retention")
            past.note_run(connection, now)
            if doubtful:
                append(connection, _record(new_request_id(), operation="trust_clock", outcome="TRUSTED"))

    def _steps(self, now: float) -> Iterator[_Step]:
        settings = self._settings
        yield _Step("photos", past.PHOTOS, now, _PHOTOS_AT_ONCE)
        yield _Step("idempotency_replies", past.IDEMPOTENCY, now - IDEMPOTENCY_SECONDS)
        yield _Step("failed_attempts", past.ATTEMPTS, now)
        yield _Step("notifications", past.NOTIFICATIONS, now - settings.keep_notifications_days * DAY)
        yield _Step("feedback", past.FEEDBACK, now - settings.keep_feedback_days * DAY)
        yield _Step("cases", past.CASES, now - settings.keep_cases_days * DAY)
        yield _Step("dedup_pairs", past.PAIRS, now - settings.keep_cases_days * DAY)

    def _decisions(self, now: float) -> Iterator[tuple[policy.UseCase, float]]:
        for purpose in self._use_cases.all():
            if purpose.keep_days is not None:
                yield purpose, now - purpose.keep_days * DAY

    def _too_old(self, connection: Connection, now: float) -> dict[str, int]:
        limits = {purpose.name: policy.oldest_reference(purpose, now) for purpose in self._use_cases.all()}
        return {
            name: past.references_before(connection, before) for name, before in limits.items() if before > 0
        }

    def _erase(self, step: _Step) -> int:
        with self._database.writing() as connection:
            # Before any row, and the lock of the audit last.
            connection.exclusive("retention")
            connection.exclusive(step.past.lock)
            count = step.past.erase(connection, step.before, step.at_once)
            if count:
                append(connection, _erasure(new_request_id(), {step.name: count}))
            return count

    def _erase_decisions(self, use_case: str, before: float) -> int:
        signer = self._signer()
        with self._database.writing() as connection:
            connection.exclusive("retention")
            rows = past.decisions(connection, use_case, before, _ROWS_AT_ONCE)
            if not rows:
                return 0
            expiry_id = new_request_id()
            erase(connection, [(audit_id, record) for audit_id, record, _ in rows], expiry_id)
            # The row of a rotation cannot come between this and the row below.
            connection.exclusive("audit")
            if last_rotation(connection) != signer.since:
                raise SigningKeyRetired("the key was rotated by another process meanwhile")
            statement = expiry.statement(
                signer,
                expiry_id,
                [digest for *_, digest in rows],
                use_case=use_case,
                before=before,
                now=time.time(),
            )
            append(connection, _erasure(expiry_id, {f"decisions of {use_case}": len(rows)}, statement))
            return len(rows)


def check_clock(connection: Connection, now: float) -> None:
    """Refuse a clock (seconds since the epoch) that the records do not bear out.

    Raises:
        ClockDoubtful: they show nothing of more than ``LONGEST_SILENCE``, or a run so much later than now.
    """
    last = past.last_run(connection)
    if last is not None and last - now > LONGEST_SILENCE:
        raise ClockDoubtful(f"the clock says {_date(now)}, and the last run was on {_date(last)}")
    if silent := past.silence(connection, now, LONGEST_SILENCE):
        begin, end = map(_date, silent)
        raise ClockDoubtful(
            f"the clock says {_date(now)}, and the records show nothing between {begin} and {end}: more than "
            f"{LONGEST_SILENCE / DAY:.0f} days"
        )


def _record(request_id: str, *, operation: str, outcome: str) -> AuditRecord:
    return AuditRecord(
        time=time.time(), request_id=request_id, caller=LOCAL.name, operation=operation, outcome=outcome
    )


def _erasure(request_id: str, erased: dict[str, int], statement: str | None = None) -> AuditRecord:
    record = _record(request_id, operation=expiry.OPERATION, outcome="ERASED")
    return msgspec.structs.replace(record, erased=erased, statement=statement)


def _date(seconds: float) -> str:
    # A clock may say anything, and the years that a calendar knows end.
    return datetime.fromtimestamp(max(0.0, min(seconds, _LAST_DATE)), UTC).strftime("%Y-%m-%d")
