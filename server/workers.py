"""Threads that compute, fed from two queues: what somebody waits for comes before what can wait."""

from __future__ import annotations

import asyncio
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

# While other work waits, at most this many interactive jobs in a row go before one of it.
MAX_PASSED = 4
# How much one job moves the mean of their times: about the last ten count.
_WEIGHT = 0.1


@dataclass(slots=True)
class _Job:
    call: Callable[[], Any]
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    ended: Callable[[], None]
    interactive: bool
    submitted: float


class Workers:
    """A fixed number of threads, of which the one that ended work last is the first to get some.

    Its part of the caches is warm, and so are the pages of the records that its connection has read.
    ``concurrent.futures`` has one queue, and wakes the loop twice per job.
    """

    def __init__(self, count: int, waited: Callable[[bool, float], None] = lambda *_: None) -> None:
        """``waited`` is told of each job whether it is interactive, and its seconds in the queue."""
        self._waited = waited
        self._threads = [threading.Thread(target=self._work, name=f"govid-{n}") for n in range(count)]
        self._interactive: deque[_Job] = deque()
        self._batch: deque[_Job] = deque()
        # Each is held until there may be work for the thread behind it.
        self._idle: list[threading.Lock] = []
        self._stopped = False
        self._choosing = threading.Lock()
        self._passed = 0
        self.mean_seconds = 0.0
        """Recent mean time of a job in a worker, 0 before the first one ends."""

    @property
    def count(self) -> int:
        """How many jobs run at once."""
        return len(self._threads)

    def start(self) -> None:
        """Start the threads; jobs handed in before are done then."""
        for thread in self._threads:
            thread.start()

    def submit(
        self, call: Callable[[], Any], *, interactive: bool, ended: Callable[[], None]
    ) -> asyncio.Future[Any]:
        """Queue a job; called on the event loop.

        Args:
            ended: called on the loop when the worker is free again, even if nobody waits for the result.
        """
        loop = asyncio.get_running_loop()
        job = _Job(call, loop, loop.create_future(), ended, interactive, time.perf_counter())
        with self._choosing:
            (self._interactive if interactive else self._batch).append(job)
            if self._idle:
                self._idle.pop().release()
        return job.future

    def stop(self) -> None:
        """Drop what waits, wait for what runs."""
        with self._choosing:
            self._stopped = True
            dropped = [*self._interactive, *self._batch]
            self._interactive.clear()
            self._batch.clear()
            while self._idle:
                self._idle.pop().release()
        for job in dropped:
            _tell(job, job.future.cancel)
        for thread in self._threads:
            if thread.ident is not None:
                thread.join()

    def _work(self) -> None:
        turn = threading.Lock()
        turn.acquire()
        while not self._stopped:
            # Without a name here: a thread that waits for its next job must not keep the photo of its last.
            if not self._did(self._next(turn)):
                turn.acquire()

    def _did(self, job: _Job | None) -> bool:
        if job is None:
            return False
        start = time.perf_counter()
        self._waited(job.interactive, start - job.submitted)
        try:
            result = job.call()
        except BaseException as error:  # noqa: BLE001 - whatever it is, the request has to end with it
            _let_go(error)
            _tell(job, _unless_done, job.future.set_exception, error)
        else:
            _tell(job, _unless_done, job.future.set_result, result)
        spent = time.perf_counter() - start
        self.mean_seconds += (spent - self.mean_seconds) * (_WEIGHT if self.mean_seconds else 1)
        return True

    def _next(self, turn: threading.Lock) -> _Job | None:
        """The job that is due; if there is none ``turn`` is released once there may be one, or a stop."""
        with self._choosing:
            if self._batch and (not self._interactive or self._passed >= MAX_PASSED):
                self._passed = 0
                return self._batch.popleft()
            if self._interactive:
                self._passed += 1 if self._batch else 0
                return self._interactive.popleft()
            if self._stopped:
                turn.release()
            else:
                self._idle.append(turn)
            return None


def _let_go(error: BaseException | None) -> None:
    """Empty the frames an error passed: they hold the photo for as long as anything holds the error.

    The request does, which the error's own frames hold in turn: until the collector of cycles comes by, each
    photo that was refused would stay, unpacked.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__context__


def _tell(job: _Job, action: Callable[..., Any], *arguments: Any) -> None:  # noqa: ANN401
    def on_loop() -> None:
        job.ended()
        action(*arguments)

    with suppress(RuntimeError):  # the loop was closed: nobody is left to be told
        job.loop.call_soon_threadsafe(on_loop)


def _unless_done(settle: Callable[[Any], None], value: Any) -> None:  # noqa: ANN401
    with suppress(asyncio.InvalidStateError):  # the request was given up meanwhile
        settle(value)
