from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lfw_eval.support import PAIRS, evaluate, write_tree
from tests.support import BIDEN, MODELS, OBAMA, OBAMA_LATER, ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return write_tree(tmp_path)


def test_the_command_evaluates_a_small_set(tree: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lfw_eval", "--no-cache", "--fail-under", "100"],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**os.environ, "GOVID_DATA_DIR": str(MODELS.parent), "GOVID_LFW_DIR": str(tree)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "accuracy   100.00\u00a0%" in done.stdout


def test_profiles_stand_side_by_side_with_their_difference(tree: Path) -> None:
    done = evaluate("--data", tree, "--compare", "fast,fast", "--json", "--out", tree / "out.json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert printed == json.loads((tree / "out.json").read_text())
    one, two = printed["pipelines"]
    assert one["pair_list"]["accuracy_difference"] is None
    assert two["pair_list"]["accuracy_difference"] == {"value": 0, "low": 0, "high": 0}
    assert one["models"]
    assert all(len(digest) == 64 for digest in one["models"].values())
    assert one["photos_timed"] == 3
    assert list(one["milliseconds_by_stage"])[-1] == "total"


def test_a_photo_without_a_face_is_an_error_and_named(tree: Path) -> None:
    (tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg").write_bytes(b"broken")
    done = evaluate("--data", tree, "--fail-under", "99")
    assert done.exit_code == 1
    assert "accuracy   50.00\u00a0%" in done.stdout
    assert "photo-not-an-image: Joe_Biden/Joe_Biden_0001.jpg" in done.stdout
    assert "4 pairs of 3 photos" in done.stdout
    strict = evaluate("--data", tree, "--strict")
    assert strict.exit_code == 1
    assert "Joe_Biden_0001.jpg: photo-not-an-image" in strict.stderr


def test_a_missing_photo_is_an_error_and_named(tree: Path) -> None:
    (tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg").unlink()
    done = evaluate("--data", tree)
    assert "accuracy   50.00\u00a0%" in done.stdout
    assert "unreadable: No such file or directory: Joe_Biden/Joe_Biden_0001.jpg" in done.stdout
    strict = evaluate("--data", tree, "--strict")
    assert strict.exit_code == 1
    assert "Joe_Biden_0001.jpg: No such file" in strict.stderr.replace("unreadable: ", "")


def test_a_set_without_any_photo_has_only_errors(tree: Path) -> None:
    for photo in (tree / "lfw").rglob("*.jpg"):
        photo.write_bytes(b"broken")
    done = evaluate("--data", tree, "--report", tree / "r.html")
    assert done.exit_code == 0, done.output
    assert "accuracy   0.00\u00a0%" in done.stdout
    assert "4 pairs counted as errors" in done.stdout


def test_a_malformed_pair_is_an_error_and_named(tree: Path) -> None:
    (tree / "pairs.txt").write_text(PAIRS.replace("Barack_Obama\t2\t1", "Barack_Obama"))
    done = evaluate("--data", tree)
    # Two errors of four: the fold of the broken pair has no mated score to put a threshold below.
    assert "accuracy   50.00\u00a0%" in done.stdout
    assert "pairs.txt:4: malformed pair 'Barack_Obama'" in done.stdout
    strict = evaluate("--data", tree, "--strict")
    assert strict.exit_code == 1
    assert "pairs.txt:4" in strict.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--compare", "best"), "best"),
        (("--compare", "fast,"), "Invalid"),
        (("--model", "nowhere.onnx"), "nowhere.onnx"),
        (("--model", "nowhere.toml"), "nowhere.toml"),
        (("--show-faces",), "--report"),
        (("--metadata", "nowhere.csv"), "nowhere.csv"),
        (("--pairs", "nowhere.txt"), "nowhere.txt"),
        (("--report", "no/such/folder/r.html"), "no/such/folder/r.html"),
    ],
)
def test_a_wrong_option_is_one_sentence(tree: Path, arguments: tuple[str, ...], says: str) -> None:
    done = evaluate("--data", tree, *arguments)
    assert done.exit_code in {1, 2}
    assert isinstance(done.exception, SystemExit)
    assert says.lower() in done.stderr.lower()


def test_without_data_and_network_there_is_one_line(tmp_path: Path) -> None:
    # A proxy that nothing listens on stands for a machine without a network.
    proxy = "http://127.0.0.1:9"
    done = evaluate(XDG_CACHE_HOME=str(tmp_path), https_proxy=proxy, HTTPS_PROXY=proxy)
    assert done.exit_code == 1
    assert "--data or GOVID_LFW_DIR" in done.stderr


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        done = evaluate("--data", folder)
        assert done.exit_code == 1
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


def test_development_leaves_out_everybody_the_pair_list_names(tree: Path) -> None:
    for name, photos in {"Somebody_Else": (OBAMA, OBAMA_LATER), "A_Third": (BIDEN,)}.items():
        (tree / "lfw" / name).mkdir()
        for number, photo in enumerate(photos, start=1):
            (tree / "lfw" / name / f"{name}_{number:04d}.jpg").write_bytes(photo)
    done = evaluate("--data", tree, "--development", "--json")
    assert done.exit_code == 0, done.output
    printed = json.loads(done.stdout)
    assert (printed["photos"], printed["pairs"], printed["pair_list"]) == (3, 0, "")
    assert printed["pipelines"][0]["all_pairs"] is not None
    (tree / "pairs.txt").unlink()
    assert "need a pair list" in evaluate("--data", tree, "--development").stderr
