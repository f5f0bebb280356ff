"""What a run of `make bench` leaves: one JSON file with everything needed to doubt it."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.machine import Machine

FOLDER = Path(__file__).with_name("results")


class Ratio(msgspec.Struct, frozen=True, kw_only=True):
    """This row's time over that of the table's first row, round by round: above 1 the first is faster."""

    median: float
    least: float
    most: float


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One contender. ``rounds`` has its median of each round, in the unit of the table."""

    name: str
    setting: str
    calls: int
    asked: int
    right: int
    unanswered: int
    """Of those asked: refused, or left to a person."""
    median: float
    lower_quartile: float
    upper_quartile: float
    rounds: list[float]
    ratio: Ratio | None = None
    work: float = 0.0


class Skip(msgspec.Struct, frozen=True, kw_only=True):
    """A contender that could not take part."""

    name: str
    reason: str


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """One claim: rows that were measured in alternation."""

    name: str
    title: str
    unit: str
    rate: str = ""
    """Unit of work per second, where rows have work."""
    rows: list[Row]
    skipped: list[Skip] = []


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One run of all claims. A quick run is a test of the benchmark, not a measurement."""

    format: int = 1
    date: str
    commit: str
    load_before: float
    """Load average of the last minute before the run: anything else that ran disturbed it."""
    quick: bool
    photos: str
    machine: Machine
    versions: dict[str, str]
    tables: list[Table]


def row(
    name: str,
    rounds: Sequence[float],
    *,
    base: Sequence[float] | None,
    calls: int,
    asked: int = 0,
    right: int = 0,
    unanswered: int = 0,
    setting: str = "",
    work: float = 0.0,
) -> Row:
    """Sum up the rounds of one contender; ``base`` has those of the table's first row, None for itself."""
    lower, middle, upper = quartiles(rounds)
    ratio = None
    if base is not None:
        ratios = [mine / first for mine, first in zip(rounds, base, strict=True)]
        ratio = Ratio(median=statistics.median(ratios), least=min(ratios), most=max(ratios))
    return Row(
        name=name,
        setting=setting,
        calls=calls,
        asked=asked,
        right=right,
        unanswered=unanswered,
        median=middle,
        lower_quartile=lower,
        upper_quartile=upper,
        rounds=list(rounds),
        ratio=ratio,
        work=work,
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Lower quartile, median and upper quartile of at least one value."""
    if len(values) == 1:
        return values[0], values[0], values[0]
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return lower, middle, upper


def newest(folder: Path = FOLDER) -> Result | None:
    """The result with the latest date, None if there is none."""
    found = [read(path) for path in sorted(folder.glob("*.json"))]
    return max(found, key=lambda result: result.date, default=None)


def read(path: Path) -> Result:
    """Read a result file, strictly."""
    return msgspec.json.decode(path.read_bytes(), type=Result)


def write(result: Result, path: Path) -> None:
    """Write a result file, readable by people."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(result), indent=1) + b"\n")
