"""The table of README.md: what each test of this folder is about, and what must be the answer."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).parent
# The console's are beside what they share its visitors with.
FILES = (
    *sorted(file for file in HERE.glob("test_*.py") if file.name != "test_table.py"),
    HERE.parent / "console" / "test_sessions.py",
)
_ROW = re.compile(r"\| (.+?) \| (.+) \| `(test_\w+)` \|")


class Row(NamedTuple):
    """An abuse and its expected answer."""

    abuse: str
    answer: str


def table() -> dict[tuple[str, str], Row]:
    """Each row by file and test function."""
    rows: dict[tuple[str, str], Row] = {}
    file = ""
    for line in (HERE / "README.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## "):
            file = line.removeprefix("## ")
        elif found := _ROW.fullmatch(line):
            assert (file, found[3]) not in rows, f"twice: {found[3]}"
            rows[file, found[3]] = Row(found[1], found[2])
    return rows
