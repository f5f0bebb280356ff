"""`govid dedup` and `govid cases` as a person types them."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
from pathlib import Path

from tests.govid.dedup import support
from tests.support import GOVID


def govid(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOVID, "--data-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        env=dict(os.environ),
        check=False,
    )


def test_from_start_to_verdict_without_a_model_file(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    store = support.opened(tmp_path)
    faces = support.people(20)
    support.enrol(store, [*faces, support.like(faces[3])])
    store.close()
    started = govid(folder, "dedup", "start")
    assert started.returncode == 0, started.stderr
    assert "done: 100 %" in started.stdout
    assert "1 cases" in started.stdout
    assert json.loads(govid(folder, "dedup", "status", "1", "--json").stdout)["pairs"] == 1
    assert "job 1 (full) done" in govid(folder, "dedup", "status").stdout
    (row,) = csv.DictReader(io.StringIO(govid(folder, "dedup", "export", "1").stdout))
    assert (row["subject_a"], row["subject_b"]) == ("s20", "s3")
    (line,) = govid(folder, "dedup", "export", "1", "--format", "json").stdout.splitlines()
    assert json.loads(line)["case_id"] == 1
    out = tmp_path / "pairs.csv"
    out.write_text("kept")
    assert govid(folder, "dedup", "export", "9", "--out", str(out)).returncode != 0
    assert out.read_text() == "kept"
    assert govid(folder, "dedup", "export", "1", "--out", str(out)).returncode == 0
    assert "s20,s3," in out.read_text()
    nowhere = govid(folder, "dedup", "export", "1", "--out", str(tmp_path / "nowhere" / "pairs.csv"))
    assert nowhere.stderr.startswith("govid: invalid-parameter: ")
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == ["pairs.csv"]
    assert govid(folder, "cases", "list").stdout.startswith("case 1 open: 's20', 's3'")
    decided = govid(folder, "cases", "decide", "1", "different", "--by", "ann", "--note", "hair")
    assert "settled: 's20' and 's3' are different" in decided.stdout
    assert govid(folder, "cases", "list").stdout == "no cases\n"
    assert json.loads(govid(folder, "cases", "show", "1", "--json").stdout)["verdicts"][0]["note"] == "hair"


def test_planned_cancelled_and_refused(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    store = support.opened(tmp_path)
    support.enrol(store, support.people(5))
    store.close()
    planned = json.loads(govid(folder, "dedup", "start", "--plan-only", "--json").stdout)
    assert (planned["state"], planned["blocks_done"]) == ("running", 0)
    again = govid(folder, "dedup", "start")
    assert again.returncode == 3
    assert again.stderr.startswith("govid: job-running: ")
    assert "job 1 is running" in again.stderr
    for _ in range(2):
        assert json.loads(govid(folder, "dedup", "cancel", "1", "--json").stdout)["state"] == "cancelled"
    assert json.loads(govid(folder, "dedup", "resume", "1", "--json").stdout)["state"] == "done"
    assert govid(folder, "dedup", "resume", "1").stderr.startswith("govid: job-ended: ")
    since = json.loads(govid(folder, "dedup", "start", "--since", "1", "--json").stdout)
    assert (since["kind"], since["blocks"]) == ("incremental", 0)
    assert json.loads(govid(folder, "cases", "show", "9", "--json").stdout)["slug"] == "unknown-case"
