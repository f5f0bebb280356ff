"""The record of what a precision costs, measured on three photos in 2,200 pairs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from govid import guard
from govid.config import Settings
from govid.guard import Loss, file_name
from govid.profiles import active
from govid.runtime import openvino_session
from lfw_eval.data import VIEW_1_TRAIN
from tests.lfw_eval.support import write_tree
from tests.support import MODELS, ROOT

PAIRS = "1100\n" + "Barack_Obama\t1\t2\n" * 1100 + "Barack_Obama\t1\tJoe_Biden\t1\n" * 1100


def measured(data: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "lfw_eval.guard", "--data", str(data), "--out", str(out), "--json"],
        check=False, capture_output=True, text=True, cwd=ROOT,
        env={"PATH": "", "GOVID_DATA_DIR": str(MODELS.parent), **environment},
    )  # fmt: skip


@pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
def test_it_is_measured_written_and_believed(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", pairs="")
    (data / VIEW_1_TRAIN).write_text(PAIRS)
    folder = tmp_path / "var" / "calibrations"
    done = measured(data, folder, GOVID_PRECISION="int8")
    assert done.returncode == 0, done.stderr
    eight = Settings(precision="int8", data_dir=str(tmp_path / "var"))
    (file,) = folder.iterdir()
    assert file.name == file_name(active(eight)[0].model_id)
    loss = msgspec.json.decode(file.read_bytes(), type=Loss)
    assert (loss.pairs, loss.compared, loss.accuracy, loss.float32_accuracy) == (2200, 2200, 1.0, 1.0)
    assert loss.data_set == f"lfw, {VIEW_1_TRAIN}"
    guard.check(eight)


def test_what_shows_nothing_is_not_written(tmp_path: Path) -> None:
    data = write_tree(tmp_path / "data", pairs="")
    folder = tmp_path / "out"
    assert "pairsDevTrain.txt" in measured(data, folder, GOVID_PRECISION="int8").stderr
    (data / VIEW_1_TRAIN).write_text("1\n" + "Barack_Obama\t1\t2\n" + "Barack_Obama\t1\tJoe_Biden\t1\n")
    for word, said in (
        ("int8", "pairs"),
        ("float32", "held against float32"),
        ("auto", "precision-unavailable: auto"),
    ):
        done = measured(data, folder, GOVID_PRECISION=word)
        assert done.returncode != 0
        assert said in done.stderr
    # Pairs without photos would be wrong in both.
    (data / VIEW_1_TRAIN).write_text(PAIRS.replace("\t2\n", "\t9\n"))
    assert "compared" in measured(data, folder, GOVID_PRECISION="int8").stderr
    assert not list(folder.iterdir())
