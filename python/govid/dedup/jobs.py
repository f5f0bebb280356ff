"""Dedup jobs as an operator sees them: start, look, cancel, resume, work, export."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from govid import calibration, policy, profiles
from govid.audit import AuditRecord
from govid.calibration import Calibration
from govid.callers import LOCAL, Caller
from govid.config import Settings
from govid.dedup import plan
from govid.dedup.ranges import RangeReader
from govid.dedup.results import DedupJob, DedupJobs, DedupPair
from govid.dedup.worker import LEASE_SECONDS, Worker
from govid.errors import InvalidParameter, JobEnded, JobRunning, JobTooLoose, UnknownJob
from govid.faces import PIPELINE
from govid.profiles import Profile
from govid.store import Store, migration
from govid.store import dedup as rows
from govid.store.audit import append as append_audit
from govid.store.database import MAX_INTEGER, Connection, Database
from govid.types import Template

MAX_PAGE = 1000
CACHE_BYTES = 256 * 1024 * 1024
MOST_FALSE_PAIRS = 10_000_000
"""Expected pairs of strangers beyond which a job is not begun: they would fill the disk, and nobody's day."""


@dataclass(frozen=True, slots=True)
class Dedup:
    """All jobs of a store, for one profile. Safe to call from several threads."""

    store: Store
    profile: Profile
    calibration: Calibration
    false_pairs: float
    """Pairs of strangers that one job is expected to give, if the calibration supports it."""
    range_size: int = plan.RANGE
    cache_bytes: int = CACHE_BYTES

    @property
    def database(self) -> Database:
        """Where the jobs are kept."""
        return self.store.database

    def start(
        self,
        *,
        since_job: int | None = None,
        since_reference: int | None = None,
        request_id: str,
        caller: Caller = LOCAL,
    ) -> DedupJob:
        """Plan a job over all active references and keep it in the store; ``work`` does it.

        Args:
            since_job: only what became active since that job was planned, against all and itself.
            since_reference: only references with a higher id, and what became active since.

        Raises:
            JobRunning: one of the same kind is running.
            UnknownJob: ``since_job`` is none.
            InvalidParameter: both are given, ``since_job`` was not finished or is one of another model, or
                the reference is none; 0 stands before the first.
            JobTooLoose: it would find more strangers than anybody can look at.
            OperatorError.
        """
        with self.database.reading() as connection:
            since = self._since(connection, since_job, since_reference)
            last = rows.last_change(connection)
        kind = "full" if since is None else "incremental"
        since = since or 0
        spans = [*self._cut(0, since, new=False), *self._cut(since, last, new=True)]
        comparisons = plan.comparisons(spans)
        threshold = policy.dedup_threshold(comparisons, self.false_pairs, self.calibration)
        if (expected := threshold.fmr * comparisons) > MOST_FALSE_PAIRS:
            raise JobTooLoose(f"about {expected:.0f} pairs of strangers in {comparisons} comparisons")
        with self.database.writing() as connection:
            connection.exclusive("dedup_job")
            migration.check_serving(connection, self.profile.model_id)
            if (running := rows.running(connection, kind=kind)) is not None:
                raise JobRunning(running)
            job_id = rows.insert_job(
                connection,
                kind=kind,
                model_id=self.profile.model_id,
                calibration_id=self.calibration.calibration_id,
                after_change=since,
                last_change=last,
                threshold=threshold,
                comparisons=comparisons,
                spans=spans,
            )
            job = _known(connection, job_id)
            append_audit(connection, _audit(job, "STARTED", request_id, caller))
            if job.state == "done":
                append_audit(connection, _audit(job, "DONE", request_id))
        return self.job(job_id)

    def job(self, job_id: int) -> DedupJob:
        """One job.

        Raises:
            UnknownJob, OperatorError.
        """
        with self.database.reading() as connection:
            return _shown(connection, _known(connection, job_id))

    def jobs(self, *, before: int | None = None, limit: int = 20) -> DedupJobs:
        """Jobs with an id below ``before``, the newest first, ``limit`` (1 to 1000) at a time.

        Raises:
            InvalidParameter, OperatorError.
        """
        if not 1 <= limit <= MAX_PAGE:
            raise InvalidParameter(f"limit is {limit}, allowed are 1 to {MAX_PAGE}")
        before = None if before is None else min(max(before, 0), MAX_INTEGER)
        with self.database.reading() as connection:
            some = rows.jobs(connection, before=before, limit=limit + 1)
            shown = tuple(_shown(connection, row) for row in some[:limit])
        return DedupJobs(jobs=shown, next_before=shown[-1].job_id if len(some) > limit else None)

    def running(self) -> int | None:
        """The newest running job that compares templates of the active model."""
        with self.database.reading() as connection:
            return rows.running_with(connection, self.profile.model_id)

    def cancel(self, job_id: int, *, request_id: str, caller: Caller = LOCAL) -> DedupJob:
        """Stop a job within a block; what it found stays. Cancelled again, it stays cancelled.

        Raises:
            UnknownJob, JobEnded, OperatorError.
        """
        with self.database.writing() as connection:
            connection.exclusive("dedup_job")
            job = _known(connection, job_id)
            if job.state == "done":
                raise JobEnded
            if rows.end(connection, job_id, "cancelled"):
                append_audit(connection, _audit(job, "CANCELLED", request_id, caller))
        return self.job(job_id)

    def resume(self, job_id: int, *, request_id: str, caller: Caller = LOCAL) -> DedupJob:
        """Let a cancelled job, or one whose workers died, go on where it stood; ``work`` does it.

        Raises:
            UnknownJob, JobEnded, OperatorError.
            JobRunning: another one of the same kind is running.
            InvalidParameter: the job is one of another model.
        """
        with self.database.writing() as connection:
            connection.exclusive("dedup_job")
            job = _known(connection, job_id)
            if job.state == "done":
                raise JobEnded
            if job.model_id != self.profile.model_id:
                raise InvalidParameter(f"the job compares templates of {job.model_id}")
            migration.check_serving(connection, self.profile.model_id)
            if (running := rows.running(connection, kind=job.kind)) not in {None, job_id}:
                assert running is not None
                raise JobRunning(running)
            rows.restart(connection, job_id)
            append_audit(connection, _audit(job, "RESUMED", request_id, caller))
        return self.job(job_id)

    def work(
        self,
        job_id: int,
        *,
        request_id: str,
        threads: int = 1,
        stop: threading.Event | None = None,
        pause: Callable[[], None] = lambda: None,
        lease_seconds: float = LEASE_SECONDS,
    ) -> DedupJob:
        """Work on a running job until it ends or ``stop`` is set, together with whoever else does.

        Args:
            pause: called before each slice of a block, some hundredths of a second of computing.

        Raises:
            UnknownJob, OperatorError: what was found before is kept, and the job can be resumed.
        """
        stop = stop or threading.Event()
        with self.database.reading() as connection:
            job = _known(connection, job_id)
            spans = rows.spans(connection, job_id)
        reader = RangeReader(
            self.store,
            spans,
            self.profile.model_id,
            self.profile.dimension,
            self._fit,
            cache_bytes=self.cache_bytes,
        )
        failures: list[BaseException] = []

        def run() -> None:
            worker = Worker(
                self.database,
                job,
                reader,
                stop=stop.wait,
                pause=pause,
                audit=lambda outcome, job: _audit(job, outcome, request_id),
                lease_seconds=lease_seconds,
            )
            try:
                worker.run()
            except BaseException as error:  # noqa: BLE001 - raised again below, in the caller's thread
                failures.append(error)
                stop.set()

        helpers = [threading.Thread(target=run, name=f"govid-dedup-{n}") for n in range(1, threads)]
        for helper in helpers:
            helper.start()
        try:
            run()
        finally:
            for helper in helpers:
                helper.join()
        if failures:
            raise failures[0]
        return self.job(job_id)

    def export(self, job_id: int) -> Iterator[list[DedupPair]]:
        """The pairs of a job, some at a time, in order of their references; ids and scores, never templates.

        Raises:
            UnknownJob, OperatorError: when iteration begins.
        """
        self.job(job_id)
        after = (0, 0)
        while True:
            with self.database.reading() as connection:
                some = rows.exported(connection, job_id, after)
            if not some:
                return
            yield [DedupPair(**found.pair._asdict(), case_id=found.case_id) for found in some]
            after = (some[-1].pair.reference_a, some[-1].pair.reference_b)

    def _fit(self, template: Template) -> Template | None:
        return profiles.reduced(template, self.profile)

    def _cut(self, first: int, last: int, *, new: bool) -> list[plan.Span]:
        ends = rows.span_ends(self.database, first=first, last=last, size=self.range_size)
        return plan.cut(ends, first=first, last=last, new=new)

    def _since(self, connection: Connection, job_id: int | None, reference_id: int | None) -> int | None:
        if job_id is not None and reference_id is not None:
            raise InvalidParameter("give since_job or since_reference, not both")
        if job_id is not None:
            job = _known(connection, job_id)
            if job.state != "done" or job.model_id != self.profile.model_id:
                raise InvalidParameter(f"job {job_id} did not compare everything with the active model")
            return job.last_change
        if reference_id is not None:
            if not 0 <= reference_id <= MAX_INTEGER:
                raise InvalidParameter(f"{reference_id} is no id of a reference; 0 stands before the first")
            return rows.change_before(connection, reference_id)
        return None


def opened(settings: Settings, store: Store) -> Dedup:
    """The jobs of a store, for the profile and calibration that the settings name. Loads no model.

    Raises:
        OperatorError: the profile is not calibrated, or the settings are not valid.
    """
    profile = profiles.active(settings)[0]
    table = calibration.load(profile.model_id, settings.calibrations_dir, pipeline=PIPELINE)
    return Dedup(store, profile, table, settings.dedup_false_pairs)


def _known(connection: Connection, job_id: int) -> rows.JobRow:
    job = rows.job(connection, job_id) if 0 < job_id <= MAX_INTEGER else None
    if job is None:
        raise UnknownJob
    return job


def _audit(job: rows.JobRow, outcome: str, request_id: str, caller: Caller | None = None) -> AuditRecord:
    """``caller``: who asked for it; nobody asks for the end of a job."""
    return AuditRecord(
        time=time.time(),
        request_id=request_id,
        caller=caller.name if caller else None,
        operation="dedup",
        outcome=outcome,
        model_id=job.model_id,
        calibration_id=job.calibration_id,
        threshold=job.threshold,
        fmr_target=job.fmr,
        comparisons=job.comparisons,
        job_id=job.job_id,
    )


def _shown(connection: Connection, job: rows.JobRow) -> DedupJob:
    progress = rows.progress(connection, job.job_id)
    return msgspec.convert(
        {
            **job._asdict(),
            "supported": bool(job.supported),
            "expected_false_pairs": job.fmr * job.comparisons,
            "expected_false_pairs_upper": job.fmr_upper * job.comparisons,
            "blocks": progress.blocks,
            "blocks_done": progress.blocks_done,
            "compared": progress.compared,
            "pairs": rows.pairs_of(connection, job.job_id),
            "pairs_not_kept": progress.not_kept,
            "pairs_within_subjects": progress.same_subject,
            "left_out_references": progress.other_model,
            "cases": rows.cases_of(connection, job.job_id),
            "eta_seconds": _eta(job, progress),
        },
        DedupJob,
    )


def _eta(job: rows.JobRow, progress: rows.Progress) -> float | None:
    done = progress.blocks_done - job.blocks_before
    if job.state != "running" or done <= 0:
        return None
    return (time.time() - job.resumed_at) / done * (progress.blocks - progress.blocks_done)
