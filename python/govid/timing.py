"""Where the milliseconds of one request go."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple


class Span(NamedTuple):
    """One stage as it ran; seconds of ``time.perf_counter``."""

    name: str
    start: float
    end: float


_spans: ContextVar[list[Span] | None] = ContextVar("spans", default=None)


@contextmanager
def recorded() -> Iterator[list[Span]]:
    """Note each stage of the clocks made inside the block, in the order they end."""
    spans: list[Span] = []
    token = _spans.set(spans)
    try:
        yield spans
    finally:
        _spans.reset(token)


class StageClock:
    """Adds up the milliseconds spent in each named stage of one request."""

    def __init__(self) -> None:
        self._spans = _spans.get()
        self._start = time.perf_counter()
        self.stages: dict[str, float] = {}

    @property
    def milliseconds(self) -> float:
        """Since the clock was made: the stages, and what lies between them."""
        return (time.perf_counter() - self._start) * 1e3

    def stage(self, name: str) -> _Stage:
        """Count the block under ``name``; a block that raises counts too."""
        return _Stage(self.stages, name, self._spans)


class _Stage:
    """A class, because a generator as context manager costs thrice as much, several times a request."""

    __slots__ = ("_name", "_spans", "_stages", "_start")

    def __init__(self, stages: dict[str, float], name: str, spans: list[Span] | None) -> None:
        self._stages = stages
        self._name = name
        self._spans = spans

    def __enter__(self) -> None:
        self._start = time.perf_counter()

    def __exit__(self, *_: object) -> None:
        end = time.perf_counter()
        self._stages[self._name] = self._stages.get(self._name, 0.0) + (end - self._start) * 1e3
        if self._spans is not None:
            self._spans.append(Span(self._name, self._start, end))
