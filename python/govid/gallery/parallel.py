"""One pool of threads for all galleries of the process, as many as it may use cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from govid import cores

T = TypeVar("T")
R = TypeVar("R")

CORES = cores.available()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(CORES, thread_name_prefix="govid-search")


def each(work: Callable[[T], R], parts: Sequence[T]) -> list[R]:
    """``work`` on every part at once, in their order. The calling thread does the first one itself.

    Work that is handed over must not call ``each``: it would wait for a place in the pool that it holds.
    """
    others = [_pool().submit(work, part) for part in parts[1:]]
    return [*map(work, parts[:1]), *(other.result() for other in others)]
