"""The two queues: interactive work first, and none that waits for ever."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from govid import large
from govid.callers import LOCAL
from server.errors import Overloaded
from server.metrics import Metrics
from server.service import Service
from server.settings import ServerSettings
from server.workers import MAX_PASSED, Workers
from tests.support import PATIENCE_SECONDS, wait_until


@contextmanager
def one_worker() -> Iterator[Workers]:
    workers = Workers(1)
    workers.start()
    try:
        yield workers
    finally:
        workers.stop()


class Gate:
    """A job that holds its worker until it is opened."""

    def __init__(self) -> None:
        self._taken, self._open = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self._taken.set()
        self._open.wait()

    def submitted(self, workers: Workers, ended: Callable[[], None]) -> asyncio.Future[None]:
        future = workers.submit(self, interactive=True, ended=ended)
        self._taken.wait()
        return future

    def open(self) -> None:
        self._open.set()


def until_idle(workers: Workers) -> None:
    wait_until(lambda: len(workers._idle) == workers.count, pause=0.001)


def ran_in_order(jobs: str) -> str:
    """The order in which one worker runs jobs that all wait: i is interactive, b is not."""
    done: list[str] = []

    async def run() -> None:
        with one_worker() as workers:
            gate = Gate()
            blocking = gate.submitted(workers, lambda: None)
            futures = [
                workers.submit(
                    lambda name=name: done.append(name), interactive=name == "i", ended=lambda: None
                )
                for name in jobs
            ]
            gate.open()
            await asyncio.gather(blocking, *futures)

    asyncio.run(run())
    return "".join(done)


def test_interactive_work_goes_first() -> None:
    assert ran_in_order("bbii") == "iibb"
    assert ran_in_order("iii") == "iii"
    assert ran_in_order("bb") == "bb"


def test_other_work_is_never_passed_more_often_than_stated() -> None:
    order = ran_in_order("bb" + "i" * 20)
    assert order == "i" * MAX_PASSED + "b" + "i" * MAX_PASSED + "b" + "i" * (20 - 2 * MAX_PASSED)


def test_the_worker_that_ended_last_works_first() -> None:
    async def run() -> None:
        workers = Workers(3)
        workers.start()

        async def where() -> int:
            await asyncio.to_thread(until_idle, workers)
            return await workers.submit(threading.get_ident, interactive=True, ended=lambda: None)

        try:
            assert len({await where() for _ in range(20)}) == 1
        finally:
            await asyncio.to_thread(workers.stop)

    asyncio.run(run())


def test_all_workers_work_where_there_is_work_for_all() -> None:
    async def run() -> None:
        workers, together = Workers(3), threading.Barrier(4, timeout=10)
        workers.start()
        try:
            for _ in range(20):
                futures = [
                    workers.submit(together.wait, interactive=n > 0, ended=lambda: None) for n in range(3)
                ]
                await asyncio.to_thread(together.wait)
                await asyncio.gather(*futures)
        finally:
            await asyncio.to_thread(workers.stop)

    asyncio.run(run())


def test_an_error_reaches_who_waits_and_the_worker_goes_on() -> None:
    def fail() -> None:
        raise ValueError("no")

    async def run() -> None:
        with one_worker() as workers:
            freed: list[int] = []
            with pytest.raises(ValueError, match="no"):
                await workers.submit(fail, interactive=True, ended=lambda: freed.append(1))
            assert freed == [1]
            assert await workers.submit(lambda: 7, interactive=False, ended=lambda: None) == 7

    asyncio.run(run())


def test_a_stop_drops_what_waits_and_gives_its_place_back() -> None:
    async def run() -> None:
        gate, freed = Gate(), list[str]()
        workers = Workers(1)
        workers.start()
        running = gate.submitted(workers, lambda: freed.append("running"))
        waiting = workers.submit(lambda: None, interactive=False, ended=lambda: freed.append("waiting"))
        stopping = asyncio.create_task(asyncio.to_thread(workers.stop))
        with pytest.raises(asyncio.CancelledError):
            await waiting
        gate.open()
        await running
        await stopping
        assert sorted(freed) == ["running", "waiting"]

    asyncio.run(run())


def test_a_result_nobody_waits_for_frees_the_place_all_the_same() -> None:
    async def run() -> None:
        with one_worker() as workers:
            gate, freed = Gate(), asyncio.Event()
            gate.submitted(workers, freed.set).cancel()
            gate.open()
            await asyncio.wait_for(freed.wait(), PATIENCE_SECONDS)

    asyncio.run(run())


class Idle(Service):
    """A service without an engine whose jobs wait at a gate."""

    def __init__(self, server: ServerSettings) -> None:
        super().__init__(None, server, Metrics())  # type: ignore[arg-type]
        self._engine = object()  # type: ignore[assignment]


def test_the_last_places_are_kept_for_interactive_work() -> None:
    async def run() -> None:
        service, gate = Idle(ServerSettings(workers=1, max_waiting=4)), threading.Event()
        request: Any = SimpleNamespace(scope={"state": {"caller": LOCAL}})
        service._workers.start()

        def ask(operation: str) -> asyncio.Task[bool]:
            call: Callable[[object], bool] = lambda _: gate.wait()  # noqa: E731
            return asyncio.create_task(service.run(request, operation, call))

        asked = [ask("embed") for _ in range(6)] + [ask("verify") for _ in range(2)]
        await asyncio.sleep(0)
        gate.set()
        answers = await asyncio.gather(*asked, return_exceptions=True)
        assert answers[:4] + answers[6:7] == [True] * 5
        assert [type(answer) for answer in answers[4:6] + answers[7:]] == [Overloaded] * 3
        await asyncio.to_thread(service._workers.stop)

    asyncio.run(run())


def test_retry_after_is_the_time_the_queue_needs() -> None:
    service = Idle(ServerSettings(workers=2, max_waiting=98))
    with ExitStack() as held:
        for _ in range(100):
            held.enter_context(service._places.taken_by("verify", LOCAL))
        for mean, seconds in ((0.0, 1), (0.001, 1), (0.08, 4), (60.0, 30)):
            service._workers.mean_seconds = mean
            with pytest.raises(Overloaded) as refused, service._places.taken_by("verify", LOCAL):
                pass
            assert refused.value.retry_after_seconds == seconds
    assert service._places.taken == 0


def test_a_worker_that_waits_keeps_nothing_of_its_last_job() -> None:
    class Photo:
        """Stands for the bytes of a body, which a weak reference cannot follow."""

    async def run(workers: Workers) -> weakref.ref[Photo]:
        photo = Photo()
        followed = weakref.ref(photo)
        call = partial(id, photo)
        del photo
        await workers.submit(call, interactive=True, ended=lambda: None)
        return followed

    with one_worker() as workers:
        followed = asyncio.run(run(workers))

        def forgotten() -> bool:
            gc.collect()
            return followed() is None

        wait_until(forgotten)


def test_a_refused_photo_goes_with_its_answer() -> None:
    class Photo:
        pass

    async def run(workers: Workers) -> None:
        followed: list[weakref.ref[Photo]] = []

        def refuse() -> None:
            photo = Photo()
            followed.append(weakref.ref(photo))
            try:
                int("no")
            except ValueError:
                raise KeyError from None

        with pytest.raises(KeyError) as error:
            await workers.submit(refuse, interactive=True, ended=lambda: None)
        # Before any collection of cycles, and although the error is still there.
        assert followed[0]() is None
        assert error.value.__context__ is not None

    gc.disable()
    try:
        with one_worker() as workers:
            asyncio.run(run(workers))
    finally:
        gc.enable()


class Unpacking:
    """Jobs that unpack so many bytes each at a gate, and how many of them did so at once."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._count = threading.Lock()
        self.gate, self.now, self.most = threading.Event(), 0, 0

    def __call__(self) -> None:
        large.about_to_unpack(self._size)
        with self._count:
            self.now += 1
            self.most = max(self.most, self.now)
        self.gate.wait(PATIENCE_SECONDS)
        with self._count:
            self.now -= 1


@pytest.mark.parametrize(("size", "at_once"), [(60 << 20, 1), (50 << 20, 2), (200 << 20, 1), (1 << 20, 3)])
def test_large_photos_are_unpacked_as_the_room_allows_and_small_work_passes(size: int, at_once: int) -> None:
    async def run() -> None:
        workers, job = Workers(3, max_unpacked_bytes=100 << 20), Unpacking(size)
        workers.start()
        try:
            futures = [workers.submit(job, interactive=n > 3, ended=lambda: None) for n in range(8)]
            await asyncio.to_thread(wait_until, lambda: job.now == at_once)
            if at_once < workers.count:
                # None of the workers waits for room: there is one for what is small.
                assert await workers.submit(lambda: 7, interactive=False, ended=lambda: None) == 7
            job.gate.set()
            await asyncio.gather(*futures)
            assert job.most <= at_once
            await asyncio.to_thread(wait_until, lambda: workers._unpacked == 0)
        finally:
            job.gate.set()
            await asyncio.to_thread(workers.stop)

    asyncio.run(run())


def test_one_worker_alone_does_large_and_small_work() -> None:
    async def run() -> None:
        with one_worker() as workers:
            job = Unpacking(200 << 20)
            job.gate.set()
            calls = [job, lambda: None] * 5
            await asyncio.gather(
                *(workers.submit(call, interactive=True, ended=lambda: None) for call in calls)
            )

    asyncio.run(run())


def test_a_second_photo_that_is_larger_waits_for_more_room() -> None:
    async def run() -> None:
        with one_worker() as workers:

            def compare() -> int:
                large.about_to_unpack(40 << 20)
                large.about_to_unpack(80 << 20)
                return 7

            assert await workers.submit(compare, interactive=True, ended=lambda: None) == 7
            await asyncio.to_thread(wait_until, lambda: workers._unpacked == 0)

    asyncio.run(run())


def test_a_stop_drops_large_work_that_waits() -> None:
    async def run() -> None:
        workers, job, freed = Workers(2), Unpacking(60 << 20), list[int]()
        workers.start()
        futures = [workers.submit(job, interactive=True, ended=lambda: freed.append(1)) for _ in range(3)]
        await asyncio.to_thread(wait_until, lambda: job.now == 1 and bool(workers._idle))
        stopping = asyncio.create_task(asyncio.to_thread(workers.stop))
        await asyncio.wait(futures[1:])
        job.gate.set()
        await stopping
        await futures[0]
        assert [future.cancelled() for future in futures] == [False, True, True]
        assert len(freed) == 3

    asyncio.run(run())
