"""Which ranges of references are compared with which, so that each pair is compared exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

RANGE = 16384
"""References in a range: 8 MB of templates, a few tenths of a second of comparing two of them."""


@dataclass(frozen=True, slots=True)
class Span:
    """A range of references: those that became active by the changes behind ``after`` up to ``last``."""

    after: int
    last: int
    size: int
    """References in it when it was cut; deletions make it smaller."""
    new: bool
    """Whether it is compared with itself and all before it. The others only wait to be compared with."""


def cut(starts: Iterable[tuple[int, int]], *, first: int, last: int, new: bool) -> list[Span]:
    """Spans that cover all changes behind ``first`` up to ``last`` without a gap.

    Args:
        starts: the last change and the size of each span but for the end, which the last one takes in.
    """
    spans = []
    after = first
    for end, size in starts:
        spans.append(Span(after, end, size, new))
        after = end
    if spans:
        tail = spans.pop()
        spans.append(Span(tail.after, last, tail.size, new))
    return spans


def blocks(spans: Sequence[Span]) -> Iterator[tuple[int, int]]:
    """Number of a new span and of the one it is compared with: itself and all before it."""
    for number, span in enumerate(spans):
        if span.new:
            yield from ((number, column) for column in range(number + 1))


def comparisons(spans: Sequence[Span]) -> int:
    """Pairs of references that the blocks hold."""
    before = accumulate((span.size for span in spans), initial=0)
    return sum(
        span.size * earlier + span.size * (span.size - 1) // 2
        for span, earlier in zip(spans, before, strict=False)
        if span.new
    )
