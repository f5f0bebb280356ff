"""One worker of a job: claims ranges, compares them, and at the end opens the cases.

Any number of threads, processes and machines may work on one job: they meet in the store alone.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from govid.audit import AuditRecord
from govid.dedup.clusters import clusters
from govid.dedup.compare import compare
from govid.dedup.ranges import RangeReader
from govid.store import cases
from govid.store import dedup as rows
from govid.store.audit import append as append_audit
from govid.store.database import Database
from govid.store.dedup import Claim, Pair

LEASE_SECONDS = 60.0
"""How long a worker may be silent within a block before others take its range."""
IDLE_SECONDS = 0.5
_CASES_AT_ONCE = 50


class _Lost(Exception):
    """The range went to another worker, or the job ended meanwhile."""


class Worker:
    """Works until the job is done, cancelled, or it is told to stop."""

    def __init__(
        self,
        database: Database,
        job: rows.JobRow,
        reader: RangeReader,
        *,
        stop: Callable[[float], bool],
        pause: Callable[[], None],
        audit: Callable[[str, rows.JobRow], AuditRecord],
        lease_seconds: float = LEASE_SECONDS,
    ) -> None:
        """Claims nothing yet.

        Args:
            stop: waits so many seconds, and says whether to stop.
            pause: called several times within a block; it may wait while there is more urgent work.
            audit: the record of an outcome of the job.
        """
        self._database = database
        self._job = job
        self._reader = reader
        self._stop = stop
        self._pause = pause
        self._audit = audit
        self._lease = lease_seconds
        self._name = uuid.uuid4().hex

    def run(self) -> None:
        """Work on the job.

        Raises:
            StoreUnavailable, StorageFull: what was committed before stays, and the job can be resumed.
        """
        try:
            while not self._stop(0):
                with self._database.writing() as connection:
                    claim = rows.claim(connection, self._job.job_id, self._name, self._lease)
                if claim:
                    self._range(claim)
                elif self._over() or self._stop(IDLE_SECONDS):
                    return
        finally:
            with self._database.writing() as connection:
                rows.give_up(connection, self._job.job_id, self._name)

    def _over(self) -> bool:
        """Whether nothing is left to do; the cases are opened on the way."""
        with self._database.reading() as connection:
            job = rows.job(connection, self._job.job_id)
            if job is None or job.state != "running":
                return True
            if rows.unfinished(connection, self._job.job_id):
                return False  # others are at it
        self._open_cases()
        return True

    def _range(self, claim: Claim) -> None:
        try:
            while claim.next_column < claim.column_count and not self._stop(0):
                self._block(claim)
                claim = claim._replace(next_column=claim.next_column + 1)
        except _Lost:
            pass

    def _block(self, claim: Claim) -> None:
        probes = self._reader[claim.number]
        references = probes if claim.next_column == claim.number else self._reader[claim.next_column]
        pairs, tally = compare(probes, references, self._job.threshold, pause=self._pause)
        with self._database.writing() as connection:
            if not rows.advance(connection, self._job.job_id, claim, self._name, self._lease, tally):
                raise _Lost
            rows.insert_pairs(connection, self._job.job_id, pairs)

    def _open_cases(self) -> None:
        """Pairs -> clusters -> cases. After kill -9 the pairs without a case give the remaining ones."""
        groups = clusters(sorted(self._pairs(), key=lambda pair: (-pair.score, *pair)))
        while some := list(islice(groups, _CASES_AT_ONCE)):
            if self._stop(0) or not self._opened(some):
                return
        if self._stop(0):
            return
        with self._database.writing() as connection:
            if rows.end(connection, self._job.job_id, "done"):
                append_audit(connection, self._audit("DONE", self._job))

    def _pairs(self) -> Iterator[Pair]:
        """The pairs that have to become cases, until the worker is told to stop."""
        after = (0, 0)
        while not self._stop(0):
            with self._database.reading() as connection:
                page = rows.pairs(connection, self._job.job_id, after)
                left = rows.without_case(connection, self._job.job_id, page)
            if not page:
                return
            yield from left
            after = (page[-1].reference_a, page[-1].reference_b)

    def _opened(self, groups: Sequence[tuple[list[Pair], int]]) -> bool:
        """Open some cases: live writes go in between. False if the job does not run any more."""
        job_id = self._job.job_id
        with self._database.writing() as connection:
            # Nobody is deleted or decided on meanwhile, and no other worker or job opens a case.
            connection.exclusive("gallery_change")
            # Nor is the job cancelled.
            connection.exclusive("dedup_job")
            job = rows.job(connection, job_id)
            if job is None or job.state != "running":
                return False
            left = set(rows.without_case(connection, job_id, [pair for group, _ in groups for pair in group]))
            for group, subjects in groups:
                # What is gone may have held the others together.
                for part, _ in clusters([pair for pair in group if pair in left]):
                    case_id = cases.open_cluster(connection, job_id, part, subjects)
                    rows.assign(connection, job_id, part, case_id)
        return True
