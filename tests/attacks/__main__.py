"""``make attack``: every abuse of the table with its answer, by the tests themselves.

Against servers that the tests start, or with ``--host`` against one that runs elsewhere: then only those that
need nothing but HTTP. The key is read from the variable KEY, so that no list of processes shows it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from tests.attacks import wire
from tests.attacks.table import FILES, table

# Fixtures of what only a server of the tests' own can be asked for.
NEEDS_MORE = {
    "tmp_path",
    "guarded",
    "folder",
    "keys",
    "engine",
    "monkeypatch",
    "used",
    "reader",
    "redirecting",
}


class Attacks:
    """A pytest plugin: chooses the tests and keeps their answers."""

    def __init__(self, *, elsewhere: bool) -> None:
        self._elsewhere = elsewhere
        self._lines: dict[tuple[str, str], list[str]] = {}
        self.broken = 0

    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        names = {item: set(getattr(item, "fixturenames", ())) for item in items}
        chosen = [item for item in items if (item.path.name, _function(item)) in table()]
        if self._elsewhere:
            chosen = [item for item in chosen if "api" in names[item] and not names[item] & NEEDS_MORE]
        config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
        items[:] = chosen

    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        wire.answers.clear()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.when == "call" or report.failed:
            self.broken += report.failed
            outcome = "BROKEN" if report.failed else "skipped" if report.skipped else "held"
            answer = wire.answers[-1] if wire.answers else "-"
            case = item.name.partition("[")[2].removesuffix("]")
            line = f"  {outcome:8} {answer:36} {case}".rstrip()
            self._lines.setdefault((item.path.name, _function(item)), []).append(line)
        return report

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:  # noqa: ANN401 - pytest's own
        for key, lines in self._lines.items():
            row = table()[key]
            terminalreporter.write_line(f"\n{row.abuse}\n  -> {row.answer}")
            for line in lines:
                terminalreporter.write_line(line)
        cases = sum(map(len, self._lines.values()))
        terminalreporter.write_line(
            f"\n{len(self._lines)} abuses, {cases} cases, {self.broken} broken, the others held or skipped"
        )


def _function(item: pytest.Item) -> str:
    return item.name.partition("[")[0]


def _remembered() -> None:
    """Keep the last answer of every client."""
    send = httpx.Client.send

    def remembering(client: httpx.Client, request: httpx.Request, **options: Any) -> httpx.Response:  # noqa: ANN401
        reply = send(client, request, **options)
        # Who reads an answer as it comes has not read it yet, and may not want to.
        wire.answered(reply.status_code, b"" if options.get("stream") else reply.content)
        return reply

    httpx.Client.send = remembering  # type: ignore[method-assign,assignment]


def main() -> int:
    """Run the tests; 1 if an abuse was not answered as it must be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--host", help="address of a server that runs elsewhere")
    chosen, more = parser.parse_known_args()
    if chosen.host:
        os.environ["GOVID_ATTACK_HOST"] = chosen.host
        os.environ["GOVID_ATTACK_KEY"] = os.environ.pop("KEY", "")
    _remembered()
    return int(pytest.main(["-q", *map(str, FILES), *more], plugins=[Attacks(elsewhere=bool(chosen.host))]))


if __name__ == "__main__":
    sys.exit(main())
