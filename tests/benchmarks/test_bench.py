from __future__ import annotations

import math
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import results, text
from benchmarks.__main__ import CLAIMS
from tests.support import ROOT

# Tables that show where time goes, without anybody to be held against.
ALONE = {"stages_fast", "stages_high_assurance", "over_http_added"}
# One time less another: what else runs can turn the sign.
DIFFERENCES = {"over_http_added"}


@pytest.mark.slow
def test_a_quick_run_checks_every_answer_and_leaves_a_whole_result(tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    before = sorted(results.FOLDER.iterdir())
    shell = {name: value for name, value in os.environ.items() if name != "GOVID_LFW_DIR"}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "--out", out],
        capture_output=True, text=True, cwd=ROOT, check=False, env=shell,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = results.read(out)
    assert result.quick
    assert sorted(results.FOLDER.iterdir()) == before
    for table in result.tables:
        assert table.title in done.stdout
        first, *others = table.rows
        assert first.name.startswith("govid") or table.name in ALONE
        assert first.ratio is None
        for row in table.rows:
            assert row.right == row.asked, (table.name, row.name)
            assert row.calls > 0
            assert all(math.isfinite(value) for value in row.rounds)
            assert min(row.rounds) > 0 or table.name in DIFFERENCES
        for row in others:
            assert table.name in ALONE or row.ratio, (table.name, row.name)
        assert all("not installed" in skip.reason for skip in table.skipped)
    assert len(result.tables) > len(CLAIMS)


def test_the_pages_show_the_newest_result() -> None:
    newest = results.newest()
    assert newest is not None
    assert not newest.quick
    for page in text.PAGES:
        shown = page.read_text(encoding="utf-8")
        assert shown == text.filled(shown, newest), f"{page.name}: python -m benchmarks --publish"


def test_every_table_has_its_place_on_a_page() -> None:
    newest = results.newest()
    assert newest is not None
    pages = "".join(page.read_text(encoding="utf-8") for page in text.PAGES)
    assert set(re.findall(r"<!-- bench: (\w+) -->", pages)) == {t.name for t in newest.tables} | {"origin"}


def test_results_name_no_host_and_no_path() -> None:
    for file in results.FOLDER.glob("*.json"):
        content = file.read_text(encoding="utf-8")
        assert socket.gethostname() not in content
        assert not re.search(r'"[^"]*/(root|home|work|tmp|usr|var)/', content)
