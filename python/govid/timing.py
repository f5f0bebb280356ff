"""Where the milliseconds of one request go."""

from __future__ import annotations

import time


class StageClock:
    """Adds up the milliseconds spent in each named stage of one request."""

    def __init__(self) -> None:
        self._start = time.perf_counter()
        self.stages: dict[str, float] = {}

    @property
    def milliseconds(self) -> float:
        """Since the clock was made: the stages, and what lies between them."""
        return (time.perf_counter() - self._start) * 1e3

    def stage(self, name: str) -> _Stage:
        """Count the block under ``name``; a block that raises counts too."""
        return _Stage(self.stages, name)


class _Stage:
    """A class, because a generator as context manager costs thrice as much, several times a request."""

    __slots__ = ("_name", "_stages", "_start")

    def __init__(self, stages: dict[str, float], name: str) -> None:
        self._stages = stages
        self._name = name

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        spent = (time.perf_counter() - self._start) * 1e3
        self._stages[self._name] = self._stages.get(self._name, 0.0) + spent
