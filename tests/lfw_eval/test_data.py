from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from govid.faces import FacePipeline
from lfw_eval.calibrate import calibrate, non_mated_histogram, table
from lfw_eval.data import DataError, opened
from lfw_eval.embeddings import embed_all
from lfw_eval.protocol import read_pairs
from tests.support import BIDEN, MODELS, OBAMA, OBAMA_LATER, ROOT


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """LFW's layout with three photos."""
    for name, photos in {"Barack_Obama": (OBAMA, OBAMA_LATER), "Joe_Biden": (BIDEN,)}.items():
        (tmp_path / "lfw" / name).mkdir(parents=True)
        for number, photo in enumerate(photos, start=1):
            (tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg").write_bytes(photo)
    (tmp_path / "pairs.txt").write_text(
        "2\t1\nBarack_Obama\t1\t2\nBarack_Obama\t1\tJoe_Biden\t1\nBarack_Obama\t2\t1\nBarack_Obama\t2\tJoe_Biden\t1\n"
    )
    return tmp_path


def evaluate(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if k != "GOVID_LFW_DIR"}
    return subprocess.run(
        [sys.executable, "-m", "lfw_eval", *arguments],
        capture_output=True, text=True, cwd=ROOT, check=False,
        env={**clean, "GOVID_DATA_DIR": str(MODELS.parent), **environment},
    )  # fmt: skip


def test_the_command_evaluates_a_small_set(tree: Path) -> None:
    done = evaluate("--data", str(tree), "--no-cache", "--fail-under", "100")
    assert done.returncode == 0, done.stderr
    assert "accuracy   100.00 %" in done.stdout
    assert evaluate("--no-cache", GOVID_LFW_DIR=str(tree)).returncode == 0


def test_a_photo_without_a_face_is_an_error_and_named(tree: Path) -> None:
    (tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg").write_bytes(b"broken")
    done = evaluate("--data", str(tree), "--no-cache", "--fail-under", "99")
    assert done.returncode == 1
    assert "accuracy   50.00 %" in done.stdout
    assert "photo-not-an-image: Joe_Biden_0001.jpg" in done.stdout
    assert "4 pairs of 3 photos" in done.stdout


def test_a_missing_photo_is_an_error_and_named(tree: Path) -> None:
    (tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg").unlink()
    done = evaluate("--data", str(tree), "--no-cache")
    assert "accuracy   50.00 %" in done.stdout
    assert "unreadable: No such file or directory: Joe_Biden_0001.jpg" in done.stdout


def test_without_data_and_network_there_is_one_line(tmp_path: Path) -> None:
    # A proxy that nothing listens on stands for a machine without a network.
    done = evaluate(
        XDG_CACHE_HOME=str(tmp_path), https_proxy="http://127.0.0.1:9", HTTPS_PROXY="http://127.0.0.1:9"
    )
    assert done.returncode == 1
    assert "--data or GOVID_LFW_DIR" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        done = evaluate("--data", str(folder))
        assert done.returncode == 1
        assert done.stderr.startswith("Error: ")
        assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ten\t300\n",
        "1\t1\nA\t1\t2\n",
        "1\t1\nA\t1\t2\nA\tB\t1\t2\n",
        "1\t1\nA\t1\t2\nB\t1\t2\n",
        "1\t1\nA\n\nB\n",
    ],
)
def test_a_malformed_pair_list_is_named(tree: Path, text: str) -> None:
    (tree / "pairs.txt").write_text(text)
    with pytest.raises(DataError, match=r"pairs\.txt"):
        read_pairs(tree / "pairs.txt", opened(tree))


def test_the_cache_answers_only_for_the_same_photo(tree: Path, faces: FacePipeline, tmp_path: Path) -> None:
    photo = tree / "lfw" / "Joe_Biden" / "Joe_Biden_0001.jpg"
    first = embed_all(faces, [photo], tmp_path / "cache", progress=False)
    again = embed_all(faces, [photo], tmp_path / "cache", progress=False)
    assert (first.fresh, again.fresh) == (1, 0)
    np.testing.assert_array_equal(first.by_photo[photo], again.by_photo[photo])
    photo.write_bytes(OBAMA)
    assert embed_all(faces, [photo], tmp_path / "cache", progress=False).fresh == 1


def test_every_stranger_is_compared_once() -> None:
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(50, 8)).astype(np.float32)
    matrix /= np.linalg.norm(matrix, axis=1, keepdims=True)
    owner = rng.integers(0, 9, 50)
    counts = non_mated_histogram(matrix, owner)
    pairs = [(i, j) for i in range(50) for j in range(i + 1, 50) if owner[i] != owner[j]]
    assert counts.sum() == len(pairs)
    median = np.median([float(matrix[i] @ matrix[j]) for i, j in pairs])
    centre = (np.searchsorted(np.cumsum(counts), counts.sum() / 2) + 0.5) * 2 / len(counts) - 1
    assert centre == pytest.approx(median, abs=0.02)


def test_each_threshold_of_the_table_keeps_its_rate() -> None:
    rng = np.random.default_rng(0)
    scores = np.clip(rng.normal(0, 0.1, 100_000), -1, 1)
    counts = np.bincount(((scores + 1) * 100_000).astype(int), minlength=200_000)
    rates, thresholds, total = table(counts)
    assert total == 100_000
    assert rates[-1] * total >= 30 > rates[-1] * total / 10**0.1
    for rate, threshold in zip(rates, thresholds, strict=True):
        assert np.mean(scores >= threshold + 1e-9) <= rate
        assert np.mean(scores >= threshold - 2e-4) > rate * 0.8


def test_too_few_people_support_no_rate(tree: Path, faces: FacePipeline) -> None:
    with pytest.raises(DataError, match="support no rate"):
        calibrate(faces, opened(tree), None, data_set="tiny", progress=False)
