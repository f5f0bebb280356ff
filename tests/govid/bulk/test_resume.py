"""Killed at any moment and run again: as if it had run once."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from govid.bulk import ItemResult
from govid.bulk.journal import Journal
from govid.store.sqlite import SqliteStore
from tests.govid.bulk.support import gallery, importer, line, manifest, outcomes, results, run
from tests.support import ROOT

PEOPLE = [
    line(f"s{n % 700}", n, add=n >= 700, groups=[f"g{n % 5}"]) if n % 50 else {"subject_id": f"bad {n}"}
    for n in range(1000)
]

# Prints a line after each batch; kills itself between a commit and its results where it is told to.
CHILD = """
import os, signal, sys
from pathlib import Path
from govid.bulk.journal import Journal
from govid.bulk.manifest import Manifest
from govid.store.sqlite import SqliteStore
from tests.govid.bulk.support import importer

folder, deadly = Path(sys.argv[1]), int(sys.argv[2])
write = Journal.write
def counted(journal, results):
    global deadly
    deadly -= 1
    if deadly == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    write(journal, results)
Journal.write = counted
store = SqliteStore(folder / "govid.sqlite3")
with (folder / "people.ndjson").open("rb") as stream:
    source = Manifest(stream, "people.ndjson", folder=None, add=False, photo_max_bytes=4096)
    journal = Journal(folder / "results.ndjson", source.name)
    importer(store).run(source, journal, lambda summary: print(summary.items, flush=True))
"""


def child(folder: Path, deadly: int = 0) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(folder), str(deadly)], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def test_a_dedup_after_a_stopped_import_begins_at_its_first_reference(tmp_path: Path) -> None:
    first = run(tmp_path, manifest([line("a", 1), line("b", 2)]))
    again = run(tmp_path, manifest([line("a", 1), line("b", 2), line("c", 3)]))
    assert (first.first_reference, again.first_reference, again.enrolled) == (1, 1, 1)
    # The results of a batch were lost with the process that committed it.
    (tmp_path / "results.ndjson").write_bytes(b"")
    assert run(tmp_path, manifest([line("a", 1), line("b", 2), line("c", 3)])).first_reference == 1


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean")
    run(folder, manifest(PEOPLE))
    return folder


def prepared(folder: Path) -> Path:
    (folder / "people.ndjson").write_text("\n".join(json.dumps(one) for one in PEOPLE))
    return folder


def same_as(clean: Path, folder: Path) -> None:
    assert gallery(folder) == gallery(clean)
    expected = outcomes(clean)
    found = results(folder)
    assert [one.source for one in found] == list(expected)
    for one in found:
        # What was committed and not yet reported when the end came is reported as being there.
        assert (one.slug or one.outcome) in {expected[one.source], "ALREADY_ENROLLED"}


def test_killed_at_random_moments_and_resumed_equals_one_clean_run(tmp_path: Path, clean: Path) -> None:
    folder = prepared(tmp_path)
    for round_number in range(5):
        process = child(folder)
        assert process.stdout is not None
        for _ in range(random.Random(round_number).randint(1, 25)):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    run(folder, manifest(PEOPLE))
    same_as(clean, folder)


def test_killed_between_a_commit_and_its_results_equals_one_clean_run(tmp_path: Path, clean: Path) -> None:
    folder = prepared(tmp_path)
    for deadly in (1, 3, 10):
        process = child(folder, deadly)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    run(folder, manifest(PEOPLE))
    same_as(clean, folder)
    assert [one.outcome for one in results(folder)].count("ALREADY_ENROLLED") > 7


def test_a_lost_result_file_loses_and_doubles_nothing(tmp_path: Path, clean: Path) -> None:
    folder = prepared(tmp_path)
    run(folder, manifest(PEOPLE))
    (folder / "results.ndjson").unlink()
    assert run(folder, manifest(PEOPLE)).enrolled == 0
    same_as(clean, folder)


@pytest.mark.parametrize("cut", [1, 2, 10, 60])
def test_a_torn_last_line_is_mended(tmp_path: Path, clean: Path, cut: int) -> None:
    folder = prepared(tmp_path)
    run(folder, manifest(PEOPLE))
    whole = (folder / "results.ndjson").read_bytes()
    (folder / "results.ndjson").write_bytes(whole[:-cut])
    assert run(folder, manifest(PEOPLE)).items == 1
    same_as(clean, folder)


def test_ctrl_c_ends_after_the_batch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Journal.write

    def interrupted(journal: Journal, lines: Sequence[ItemResult]) -> None:
        signal.raise_signal(signal.SIGINT)  # between the commit and its results
        write(journal, lines)

    monkeypatch.setattr(Journal, "write", interrupted)
    assert threading.current_thread() is threading.main_thread()
    store = SqliteStore(tmp_path / "govid.sqlite3")
    source = manifest(PEOPLE)
    with Journal(tmp_path / "results.ndjson", source.name) as journal, pytest.raises(KeyboardInterrupt):
        importer(store).run(source, journal)
    assert store.counts().references == sum(one.outcome == "ENROLLED" for one in results(tmp_path)) > 0
    store.close()
    assert len(results(tmp_path)) == 7
