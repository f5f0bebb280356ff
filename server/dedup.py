"""Dedup beside live requests: one thread of low priority that gives way to whoever waits."""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from collections.abc import Callable

from govid.audit import new_request_id
from govid.callers import LOCAL, Caller
from govid.dedup.jobs import Dedup
from govid.dedup.results import DedupJob
from govid.errors import GovidError, OperatorError

# The least urgent a thread can be: it computes where a core has nothing else to do.
NICE = 19
# Between two slices of a block; a server that is never idle still gets on with its job.
LONGEST_PAUSE_SECONDS = 0.5
PAUSE_SECONDS = 0.01
RETRY_SECONDS = 10
log = logging.getLogger("govid.server")


class BackgroundDedup:
    """The jobs of a store, and the thread that works on the newest running one."""

    def __init__(self, jobs: Dedup, busy: Callable[[], bool]) -> None:
        """
        Args:
            busy: whether a request is waiting or computed.
        """
        self.jobs = jobs
        self._busy = busy
        self._stop = threading.Event()
        self._work = threading.Event()
        self._thread = threading.Thread(target=self._run, name="govid-dedup", daemon=True)
        self._thread.start()

    def start(
        self, since_job: int | None, since_reference: int | None, request_id: str, caller: Caller
    ) -> DedupJob:
        """Plan a job and begin to work on it. Raises as ``Dedup.start``."""
        job = self.jobs.start(
            since_job=since_job, since_reference=since_reference, request_id=request_id, caller=caller
        )
        self._work.set()
        return job

    def resume(self, job_id: int, request_id: str, caller: Caller = LOCAL) -> DedupJob:
        """Let a job go on. Raises as ``Dedup.resume``."""
        job = self.jobs.resume(job_id, request_id=request_id, caller=caller)
        self._work.set()
        return job

    def resume_running(self) -> None:
        """Go on with the job that was running when a server stopped."""
        try:
            job_id = self.jobs.running()
            if job_id is not None:
                self.resume(job_id, new_request_id())
                log.info("dedup job %d goes on", job_id)
        except GovidError as error:
            log.warning("the running dedup job is left alone: %s: %s", error.slug, error.detail)

    def stop(self) -> None:
        """End within a slice of a block; the job stays running and can be resumed."""
        self._stop.set()
        self._work.set()
        self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while self._work.wait() and not self._stop.is_set():
            self._work.clear()
            try:
                while not self._stop.is_set() and (job_id := self.jobs.running()) is not None:
                    job = self.jobs.work(
                        job_id, request_id=new_request_id(), stop=self._stop, pause=self._give_way
                    )
                    log.info("dedup job %d: %s, %d cases", job_id, job.state, job.cases)
            except OperatorError as error:
                # The store is away or full: what is done is kept, and the job goes on when it is back.
                log.warning("dedup waits %d s: %s: %s", RETRY_SECONDS, error.slug, error.detail)
                self._again()
            except Exception:
                log.exception("dedup waits %d s after an error inside govid", RETRY_SECONDS)
                self._again()

    def _again(self) -> None:
        if not self._stop.wait(RETRY_SECONDS):
            self._work.set()

    def _give_way(self) -> None:
        until = time.monotonic() + LONGEST_PAUSE_SECONDS
        while self._busy() and time.monotonic() < until and not self._stop.wait(PAUSE_SECONDS):
            pass
