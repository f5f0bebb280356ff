"""Measure contenders side by side: check each answer, then time A B C A B C ... for several rounds."""

from __future__ import annotations

import argparse
import statistics
import time
import timeit
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from tqdm import tqdm

from benchmarks import environment, text
from benchmarks.peers import SkippedError
from benchmarks.results import Row, Skip, Table, row

Call: TypeAlias = "partial[Any]"
"""A function with its arguments; the timer takes them apart, so that nothing of ours is timed."""

PER_SECOND = {"ns": 1e9, "µs": 1e6, "ms": 1e3}
# Calls shorter than this are timed in loops: the clock itself takes tens of nanoseconds.
_LONG = 1e-4
_LOOP = 2e-3
_MOST_REPEATS = 200


class WrongAnswerError(Exception):
    """A contender answered wrongly: its time would say nothing."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to look: rounds, and the least seconds a contender gets in each; 0: each call once."""

    rounds: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Options:
    """Of one run."""

    quick: bool
    data: Path | None

    @property
    def pace(self) -> Pace:
        return Pace(3, 0.01) if self.quick else Pace(11, 0.3)

    @property
    def photo_pace(self) -> Pace:
        """A round of photos asks each question once, which takes seconds."""
        return Pace(2, 0.0) if self.quick else Pace(5, 0.0)

    @property
    def of_each(self) -> int:
        """How many mated pairs, and as many non-mated ones, are taken from LFW."""
        return 1 if self.quick else 12


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Contender:
    """Someone who does the task.

    setting: what a reader needs to know to repeat it.
    make: what is to be called, one call or one per question; may raise SkippedError. It runs once, untimed.
    answer: turns what a call returns into what the check understands; None: no answer, a refused photo.
    work: bytes or operations of one call, where the machine sets a limit.
    before: makes each call the work that the first one was, untimed; for calls too long for a loop.
    """

    name: str
    setting: str
    make: Callable[[], Call | list[Call]]
    answer: Callable[[Any], Any] = lambda answer: answer
    work: float = 0.0
    before: Callable[[], object] = _nothing


Check: TypeAlias = Callable[[int, Any], int]
"""Number of the question and answer -> how many items of it are right."""


def compare(
    name: str,
    title: str,
    unit: str,
    contenders: Sequence[Contender],
    check: Check,
    pace: Pace,
    *,
    items: int = 1,
    strict: bool = True,
    rate: str = "",
) -> Table:
    """Check all contenders, then time them in alternation. The first one is what the others are held against.

    A question without an answer counts as asked but is not timed: refusing is quick, and would flatter.

    Args:
        items: how many things one call does; times are per item.
        rate: unit of work per second: GB/s or GFLOP/s.
        strict: one wrong answer ends the run. Else wrong answers are counted in the row.

    Raises:
        WrongAnswerError: of a strict table.
    """
    calls: dict[Contender, list[Call]] = {}
    right: dict[Contender, int] = {}
    asked: dict[Contender, int] = {}
    skipped = []
    for contender in contenders:
        try:
            made = contender.make()
        except SkippedError as reason:
            skipped.append(Skip(name=contender.name, reason=str(reason)))
            continue
        questions = made if isinstance(made, list) else [made]
        answers = []
        for call in questions:
            contender.before()
            answers.append(contender.answer(call()))
        asked[contender] = len(questions) * items
        right[contender] = sum(check(i, answer) for i, answer in enumerate(answers) if answer is not None)
        if strict and right[contender] < asked[contender]:
            raise WrongAnswerError(
                f"{name}: {contender.name}: {right[contender]} of {asked[contender]} right"
            )
        calls[contender] = [
            call for call, answer in zip(questions, answers, strict=True) if answer is not None
        ]
        if not calls[contender]:
            raise WrongAnswerError(f"{name}: {contender.name} answers nothing")
    loops = {
        contender: _Loop.fitted(mine, pace.seconds, contender.before) for contender, mine in calls.items()
    }
    rounds: dict[Contender, list[float]] = {contender: [] for contender in calls}
    for _ in tqdm(range(pace.rounds), desc=name, unit="round", leave=False, disable=None):
        for contender, mine in calls.items():
            rounds[contender].append(
                loops[contender].seconds(mine, contender.before) / items * PER_SECOND[unit]
            )
    first = next(iter(calls))
    rows: list[Row] = [
        row(
            contender.name,
            rounds[contender],
            base=None if contender is first else rounds[first],
            calls=pace.rounds * loops[contender].calls * len(mine),
            asked=asked[contender],
            unanswered=asked[contender] - len(mine) * items,
            right=right[contender],
            setting=contender.setting,
            work=contender.work,
        )
        for contender, mine in calls.items()
    ]
    return Table(name=name, title=title, unit=unit, rate=rate, rows=rows, skipped=skipped)


@dataclass(frozen=True, slots=True)
class _Loop:
    """How often a contender's calls are made in one round: ``repeats`` times a loop of ``number``."""

    number: int
    repeats: int

    @property
    def calls(self) -> int:
        return self.number * self.repeats

    @classmethod
    def fitted(cls, calls: list[Call], seconds: float, before: Callable[[], object]) -> _Loop:
        if not seconds:
            return cls(1, 1)
        once = min(_timed(calls[0], 1, before) for _ in range(3 if len(calls) == 1 else 1))
        number = 1 if once > _LONG or before is not _nothing else max(1, round(_LOOP / max(once, 1e-8)))
        repeats = round(seconds / max(once * number * len(calls), 1e-6))
        return cls(number, min(max(1, repeats), _MOST_REPEATS))

    def seconds(self, calls: list[Call], before: Callable[[], object]) -> float:
        """The median call of one round."""
        return statistics.median(
            _timed(call, self.number, before) for _ in range(self.repeats) for call in calls
        )


def _timed(call: Call, number: int, before: Callable[[], object]) -> float:
    """Seconds of one call, the mean of a loop."""
    before()
    if number == 1:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start
    names = {f"a{i}": value for i, value in enumerate(call.args)}
    given = [*names, *(f"{key}=k_{key}" for key in call.keywords)]
    names |= {f"k_{key}": value for key, value in call.keywords.items()}
    statement = f"f({', '.join(given)})"
    return timeit.timeit(statement, number=number, globals={"f": call.func, **names}) / number


def main(claim: Callable[[Options], list[Table]]) -> None:
    """The command line of one claim."""
    environment.enter()
    parser = argparse.ArgumentParser(description=claim.__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that only tests the benchmark")
    parser.add_argument(
        "--data", type=Path, help="folder of LFW; GOVID_LFW_DIR if left out; else the samples"
    )
    parser.add_argument("--json", type=Path, help="write the tables to this file, too")
    given = parser.parse_args()
    tables = claim(Options(given.quick, given.data or environment.lfw()))
    told: set[str] = set()
    for table in tables:
        print(f"{table.title}\n\n{text.table(table, told)}\n")
    if given.json:
        given.json.write_bytes(msgspec.json.encode(tables))
