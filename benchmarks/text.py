"""Tables for people: markdown that reads well in a terminal, too."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from benchmarks.results import Result, Row, Table

PAGES = (Path(__file__).with_name("README.md"), Path(__file__).parent.parent / "docs" / "performance.md")
_MARKED = re.compile(r"(<!-- bench: ([a-z0-9_]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def table(measured: Table, told: set[str]) -> str:
    """One table, the settings of its rows that were not told yet, and who was left out."""
    columns = _columns(measured)
    lines = [
        "| " + " | ".join(["", *columns]) + " |",
        "| " + " | ".join(["---", *("---:" for _ in columns)]) + " |",
    ]
    lines += [
        f"| {row.name} | {' | '.join(cell(row) for cell in columns.values())} |" for row in measured.rows
    ]
    settings = [f"- {row.name}: {row.setting}" for row in measured.rows if row.setting]
    left_out = [f"- {skip.name}: left out, {skip.reason}" for skip in measured.skipped]
    notes = [note for note in settings + left_out if note not in told]
    told.update(notes)
    return "\n".join([*lines, "", *notes] if notes else lines)


def _columns(measured: Table) -> dict[str, Callable[[Row], str]]:
    """Heading -> cell. A column that no row fills is left out."""
    unit = measured.unit
    columns: dict[str, Callable[[Row], str]] = {
        f"median {unit}": lambda row: number(row.median),
        "quartiles": lambda row: f"{number(row.lower_quartile)} to {number(row.upper_quartile)}",
    }
    if measured.rate:
        # Only tables in milliseconds have work.
        columns[measured.rate] = lambda row: f"{row.work / row.median / 1e6:.1f}"
    if any(row.ratio for row in measured.rows):
        columns["times the first (least to most)"] = _ratio
    if any(row.asked for row in measured.rows):
        columns["right answers"] = _answers
    return columns


def _answers(row: Row) -> str:
    none = f", {row.unanswered} without one" if row.unanswered else ""
    return f"{row.right} of {row.asked}{none}" if row.asked else ""


def _ratio(row: Row) -> str:
    ratio = row.ratio
    return f"{number(ratio.median)} ({number(ratio.least)} to {number(ratio.most)})" if ratio else "1"


def number(value: float) -> str:
    """Three digits that mean something."""
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def origin(result: Result) -> str:
    """One paragraph: where the figures come from."""
    machine = result.machine
    versions = ", ".join(f"{name} {version}" for name, version in result.versions.items())
    changed = " and uncommitted changes" if " " in result.commit else ""
    return (
        f"{result.date[:10]}, commit {result.commit[:12]}{changed}, {machine.cpu}, {machine.cores} cores, "
        f"L3 {machine.l3_mib:.0f} MiB, {machine.system}, flags {' '.join(machine.flags)}; govid's path "
        f"{machine.isa}, numpy's BLAS {' '.join(machine.blas)}; load average before "
        f"{result.load_before:.1f}. Photos: {result.photos}. {versions}."
    )


def filled(page: str, result: Result) -> str:
    """The page with each marked place written anew. A name the result lacks is an error."""
    measured = {each.name: each for each in result.tables}
    told: set[str] = set()

    def fill(place: re.Match[str]) -> str:
        if place[2] == "origin":
            content = origin(result)
        else:
            content = f"**{measured[place[2]].title}**\n\n{table(measured[place[2]], told)}"
        return f"{place[1]}\n{content}\n\n{place[3]}"

    return _MARKED.sub(fill, page)


def publish(result: Result) -> None:
    """Write the tables of a result into the pages."""
    for page in PAGES:
        page.write_text(filled(page.read_text(encoding="utf-8"), result), encoding="utf-8")
