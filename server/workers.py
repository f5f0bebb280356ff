"""Threads that compute, fed from two queues: what somebody waits for comes before what can wait.

A job that comes upon a large photo is put aside until there is room to unpack it, and its thread goes on with
another: a flood of large photos neither fills the memory nor stops the small ones.
"""

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

from govid import large

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
    unpacks: int = 0
    """Bytes of the large photo that it came upon."""


class _Queue:
    """Interactive jobs before others, ``MAX_PASSED`` at most while one of those waits."""

    def __init__(self) -> None:
        self._interactive: deque[_Job] = deque()
        self._batch: deque[_Job] = deque()
        self._passed = 0

    def put(self, job: _Job) -> None:
        (self._interactive if job.interactive else self._batch).append(job)

    def next(self, room: int | None = None) -> _Job | None:
        """The job that is due; None as well where that one unpacks more bytes than there is room for."""
        batch = bool(self._batch) and (not self._interactive or self._passed >= MAX_PASSED)
        due = self._batch if batch else self._interactive
        if not due or (room is not None and due[0].unpacks > room):
            return None
        self._passed = 0 if batch else self._passed + bool(self._batch)
        return due.popleft()

    def emptied(self) -> list[_Job]:
        """All that wait; none does then."""
        jobs = [*self._interactive, *self._batch]
        self._interactive.clear()
        self._batch.clear()
        return jobs

    def __bool__(self) -> bool:
        return bool(self._interactive or self._batch)


class Workers:
    """A fixed number of threads, of which the one that ended work last is the first to get some.

    Its part of the caches is warm, and so are the pages of the records that its connection has read.
    ``concurrent.futures`` has one queue, and wakes the loop twice per job.
    """

    def __init__(
        self,
        count: int,
        waited: Callable[[bool, float], None] = lambda *_: None,
        max_unpacked_bytes: int = 0,
    ) -> None:
        """Make the threads.

        Args:
            waited: is told of each job whether it is interactive, and its seconds in the queue.
            max_unpacked_bytes: what large photos may take at once, unless one alone takes more.
        """
        self._waited = waited
        self._max_unpacked = max_unpacked_bytes
        self._threads = [threading.Thread(target=self._work, name=f"govid-{n}") for n in range(count)]
        self._waiting, self._large = _Queue(), _Queue()
        self._unpacked = 0
        # Each is held until there may be work for the thread behind it.
        self._idle: list[threading.Lock] = []
        self._stopped = False
        self._choosing = threading.Lock()
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
            self._waiting.put(job)
            self._wake()
        return job.future

    def stop(self) -> None:
        """Drop what waits, wait for what runs."""
        with self._choosing:
            self._stopped = True
            dropped = [*self._waiting.emptied(), *self._large.emptied()]
            while self._idle:
                self._wake()
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
        if not job.unpacks:
            self._waited(job.interactive, start - job.submitted)
        try:
            with large.at_most(job.unpacks):
                result = job.call()
        except large.TurnNeeded as turn:
            self._put_aside(job, turn.size)
            return True
        except BaseException as error:  # noqa: BLE001 - whatever it is, the request has to end with it
            _let_go(error)
            _tell(job, _unless_done, job.future.set_exception, error)
        else:
            _tell(job, _unless_done, job.future.set_result, result)
        if job.unpacks:
            self._make_room(job)
        spent = time.perf_counter() - start
        self.mean_seconds += (spent - self.mean_seconds) * (_WEIGHT if self.mean_seconds else 1)
        return True

    def _put_aside(self, job: _Job, unpacks: int) -> None:
        with self._choosing:
            self._unpacked -= job.unpacks  # its second photo is larger than the first
            job.unpacks = unpacks
            if not self._stopped:
                self._large.put(job)
                return
        _tell(job, job.future.cancel)

    def _make_room(self, job: _Job) -> None:
        with self._choosing:
            self._unpacked -= job.unpacks
            if self._large:
                self._wake()

    def _wake(self) -> None:
        if self._idle:
            self._idle.pop().release()

    def _next(self, turn: threading.Lock) -> _Job | None:
        """The job that is due; if there is none ``turn`` is released once there may be one, or a stop."""
        with self._choosing:
            # First, for they have waited once. No others starve: a worker that is alone meets the next large
            # one only when it takes from the others again.
            room = self._max_unpacked - self._unpacked if self._unpacked else None
            if (job := self._large.next(room)) is not None:
                self._unpacked += job.unpacks
                return job
            if (job := self._waiting.next()) is not None:
                return job
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
