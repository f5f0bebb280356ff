"""A big call lets other Python threads run, a small one keeps the GIL."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from govid import _core

BIG = (1 << 14, 128)  # 8 MiB: twice what it takes to release the GIL
SMALL = (16, 128)

# A busy machine may not wake the other thread during a given call; while the GIL is held it
# cannot run in any.
ATTEMPTS = 200


class Progress:
    """Counts as often as it gets the GIL, and offers it back each time."""

    def __init__(self) -> None:
        self.count = 0
        self._stop = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop:
            self.count += 1
            time.sleep(0)

    def __enter__(self) -> Progress:
        self._thread.start()
        while self.count == 0:
            time.sleep(0)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop = True
        self._thread.join()

    def during(self, call: Callable[[], object]) -> int:
        before = self.count
        call()
        return self.count - before


@pytest.fixture
def no_preemption() -> Iterator[None]:
    """The interpreter takes the GIL from no thread: one runs until it gives the GIL away."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1000.0)
    yield
    sys.setswitchinterval(interval)


def calls(shape: tuple[int, int]) -> list[Callable[[], object]]:
    block = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    codes = _core.quantize(np.tile(block, (4, 1)))
    return [
        lambda: _core.cosine_many(block[0], block),
        lambda: _core.cosine(block.reshape(-1), block.reshape(-1)),
        lambda: _core.l2_normalize(block),
        lambda: _core.l2_normalize_inplace(block),
        lambda: _core.cosine_block(block[:4], block),
        lambda: _core.quantize(block),
        lambda: _core.cosine_many_int8(codes[0], codes),
        lambda: _core.cosine_block_int8(codes[:2], codes),
        lambda: _core.nearest(block[:1], block, 3),
        lambda: _core.nearest_int8(codes[:2], codes, 3),
        lambda: _core.above(block[:4], block, 0.9, 1000),
        lambda: _core.above_int8(codes[:1], codes, 0.9, 1000),
    ]


@pytest.mark.usefixtures("no_preemption")
def test_a_big_call_lets_another_thread_progress() -> None:
    with Progress() as progress:
        for call in calls(BIG):
            assert any(progress.during(call) > 0 for _ in range(ATTEMPTS))


@pytest.mark.usefixtures("no_preemption")
def test_a_small_call_keeps_the_gil() -> None:
    with Progress() as progress:
        for call in calls(SMALL):
            assert not any(progress.during(call) > 0 for _ in range(ATTEMPTS))


def test_threads_get_the_answers_of_a_single_thread() -> None:
    block = np.random.default_rng(0).normal(size=BIG).astype(np.float32)
    expected = [_core.cosine_many(block[i], block) for i in range(4)]
    wrong: list[int] = []

    def compare(i: int) -> None:
        if not all(np.array_equal(_core.cosine_many(block[i], block), expected[i]) for _ in range(20)):
            wrong.append(i)

    threads = [threading.Thread(target=compare, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
