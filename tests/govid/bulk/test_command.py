"""`govid import`, `govid export` and `govid plan` as a person types them."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from govid.bulk.importer import BATCH_ITEMS
from tests import support
from tests.govid.bulk.support import line
from tests.support import GOVID, SAMPLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return support.data_dir(tmp_path / "var")


def govid(folder: Path, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOVID, "--data-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        input=given,
        cwd=folder.parent,
        check=False,
    )


def ndjson(*lines: object) -> str:
    return "".join(json.dumps(one) + "\n" for one in lines)


def test_photos_go_in_templates_come_out_and_in_again(folder: Path, tmp_path: Path) -> None:
    done = govid(folder, "import", str(SAMPLES), "--results", "r.ndjson", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["enrolled"] == 3
    found = json.loads(govid(folder, "identify", str(SAMPLES / "obama-2009.jpg"), "--json").stdout)
    assert found["candidates"][0]["subject_id"] == "obama-2009"
    assert "biometric data" in govid(folder, "export", "e.ndjson").stdout
    again = govid(tmp_path / "other", "import", "e.ndjson")
    assert again.stdout.startswith("3 enrolled")
    assert "govid dedup" in again.stdout
    assert (tmp_path / "e.ndjson.results.ndjson").exists()
    exported = govid(tmp_path / "other", "export", "-")
    assert exported.stdout == (tmp_path / "e.ndjson").read_text()


def test_a_refused_item_has_its_exit_code_and_its_reason(folder: Path, tmp_path: Path) -> None:
    done = govid(folder, "import", "-", "--results", "r.ndjson", given=ndjson(line("a"), {"subject_id": "b"}))
    assert done.returncode == 3
    assert done.stdout.startswith("1 enrolled, 1 refused")
    result = json.loads((tmp_path / "r.ndjson").read_text().splitlines()[1])
    assert (result["source"], result["outcome"], result["slug"]) == ("line 2", "REFUSED", "invalid-body")


def test_what_cannot_be_done_is_one_line(folder: Path, tmp_path: Path) -> None:
    assert "--results is needed" in govid(folder, "import", "-", given="").stderr
    (tmp_path / "x.tar").write_bytes(b"no tar" * 200)
    broken = govid(folder, "import", "x.tar")
    assert broken.returncode == 3
    assert broken.stderr.splitlines()[-1].startswith("govid: invalid-body: ")
    (tmp_path / "diary").write_text("my diary")
    (tmp_path / "people.ndjson").write_text(ndjson(line("a")))
    kept = govid(folder, "import", "people.ndjson", "--results", "diary")
    assert "not a result file" in kept.stderr
    assert (tmp_path / "diary").read_text() == "my diary"


def test_ctrl_c_says_that_the_same_command_goes_on(folder: Path, tmp_path: Path) -> None:
    results = tmp_path / "r.ndjson"
    # As at a terminal: who runs the tests in the background has them, and all they start, ignore Ctrl-C.
    program = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from govid.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--data-dir", str(folder), "import", "-", "--results", str(results)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    # A whole batch, and nothing behind it: the import then waits for more.
    process.stdin.write("{}\n" * BATCH_ITEMS)
    process.stdin.flush()
    while process.poll() is None and not (results.exists() and results.stat().st_size):
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "the same command goes on" in said


def test_a_plan_shows_its_arithmetic(folder: Path) -> None:
    made = govid(folder, "plan", "--subjects", "1.4e9", "--references", "1.2", "--dim", "16")
    assert made.returncode == 0, made.stderr
    assert "1.68e+09 x (16 x 4 + 9) B = 123 GB" in made.stdout
    as_json = json.loads(govid(folder, "plan", "--subjects", "1e6", "--dim", "16", "--json").stdout)
    assert as_json["tiers"][0]["memory_bytes"] == 1e6 * (16 * 4 + 9)
    assert govid(folder, "plan", "--subjects", "0").returncode == 2
