"""Where the milliseconds of one request go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class StageClock:
    """Adds up the milliseconds spent in each named stage of one request."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.stages: dict[str, float] = {}

    @property
    def milliseconds(self) -> float:
        """Since the clock was made: the stages, and what lies between them."""
        return (time.perf_counter() - self._start) * 1e3

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block under ``name``; a block that raises counts too."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + (time.perf_counter() - start) * 1e3
