"""A snapshot is used whole and sound, or not at all."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govid.errors import SealBroken
from govid.gallery import kept as kept_files
from govid.gallery import snapshot
from govid.gallery.choose import Tier
from govid.gallery.tiered import TieredGallery
from govid.vault.keys import GivenKeys
from govid.vault.vault import Vault
from tests.govid.gallery.support import (
    DIMENSION,
    INDEXED,
    expected,
    filled,
    gallery,
    head,
    holds,
    ids,
    templates,
)
from tests.support import ROOT

ROWS = templates(INDEXED)


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """The folder of a snapshot of 700 references at change 41."""
    made = filled("int8", tmp_path, 700)
    made.snapshot(tmp_path / "kept", 41, head)
    return tmp_path / "kept"


@pytest.mark.parametrize("budget", [1 << 30, 3 * INDEXED * DIMENSION], ids=["in memory", "on disk"])
@pytest.mark.parametrize("tier", ["exact", "int8", "ivf", "hnsw"])
def test_a_gallery_comes_back_as_it_was(tier: Tier, budget: int, tmp_path: Path) -> None:
    made = filled(tier, tmp_path, budget=budget)
    made.remove([1, 2, 2500])
    new = templates(20, seed=9)
    made.add(range(9001, 9021), new)
    made.remove([9020])
    made.snapshot(tmp_path / "kept", 41, head)

    back = gallery(tier, tmp_path, budget=budget)
    assert back.load(tmp_path / "kept", holds) == 41
    back.settle()
    probes = np.concatenate([templates(20, seed=3), ROWS[:5], new])
    assert ids(back.search(probes, 5)) == ids(made.search(probes, 5))
    before, after = made.stats(), back.stats()
    assert (after.references, after.recall) == (INDEXED - 3 + 19, before.recall)
    assert after.built_at == before.built_at  # nothing was built anew
    assert after.snapshot_sequence == 41
    back.add([5000], templates(1, seed=4))
    back.remove([3])
    assert 3 not in ids(back.search(ROWS[2:3], 50))[0]


def test_removed_faces_are_not_in_it(tmp_path: Path) -> None:
    made = filled("ivf", tmp_path)
    made.remove([7])
    made.snapshot(tmp_path / "kept", 1, head)
    data = (only(tmp_path / "kept") / "vectors").read_bytes()
    assert ROWS[5].tobytes() in data
    assert ROWS[6].tobytes() not in data


def test_only_the_owner_may_read_it(kept: Path) -> None:
    assert kept.stat().st_mode & 0o777 == 0o700
    assert only(kept).stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in only(kept).iterdir()} == {0o600}


def test_a_newer_one_replaces_the_older(kept: Path, tmp_path: Path) -> None:
    filled("exact", tmp_path, 5).snapshot(kept, 42, head)
    back = gallery("exact", tmp_path)
    assert only(kept)
    assert back.load(kept, holds) == 42
    assert len(back) == 5


@pytest.mark.parametrize("name", ["manifest.json", "ids", "vectors"])
@pytest.mark.parametrize("harm", ["cut", "bit", "gone", "longer"])
def test_a_damaged_one_is_not_served(
    kept: Path, name: str, harm: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = only(kept) / name
    data = bytearray(file.read_bytes())
    if harm == "gone":
        file.unlink()
    elif harm == "bit":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    else:
        file.write_bytes(data[:-8] if harm == "cut" else data + b"0")
    back = gallery("int8", tmp_path)
    assert back.load(kept, holds) is None
    assert len(back) == 0
    assert "is not used" in caplog.text


def test_a_damaged_index_is_not_served(tmp_path: Path) -> None:
    filled("ivf", tmp_path).snapshot(tmp_path / "kept", 1, head)
    file = only(tmp_path / "kept") / "index"
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    assert gallery("ivf", tmp_path).load(tmp_path / "kept", holds) is None


def test_one_of_another_model_is_not_served(kept: Path, tmp_path: Path) -> None:
    assert gallery("int8", tmp_path).load(tmp_path / "nowhere", holds) is None
    assert gallery("int8", tmp_path, model_id="other").load(kept, holds) is None
    assert list(kept.iterdir()) == []  # faces that serve nobody do not stay


def test_one_of_another_history_is_neither_served_nor_left(
    kept: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert gallery("int8", tmp_path).load(kept, lambda *row: row != head()) is None
    assert "the store has not the audit row 7" in caplog.text
    assert list(kept.iterdir()) == []


def test_one_of_an_older_format_is_not_served(kept: Path, tmp_path: Path) -> None:
    text = json.dumps({"format": 1, "newest": 41}).encode()
    mark = hashlib.sha256(text).hexdigest().encode()
    (only(kept) / "manifest.json").write_bytes(text + b"\n" + mark)
    assert gallery("int8", tmp_path).load(kept, holds) is None


@pytest.mark.parametrize(
    "forged",
    [
        {"digests": {"../../secret": "0" * 64}},
        {"digests": {}},
        {"segments": [10**30]},
        {"segments": [-700, 1400]},
        {"segments": [350]},
        {"segments": [700, 1]},
        {"segments": []},
        {"covered": -1},
        {"covered": 1},
    ],
    ids=str,
)
def test_a_forged_manifest_is_not_served(kept: Path, tmp_path: Path, forged: dict[str, Any]) -> None:
    """By somebody who computes its mark anew; fuzzing found that rows beyond the files were taken."""
    manifest = only(kept) / "manifest.json"
    content = json.loads(manifest.read_bytes()[:-65])
    text = json.dumps({**content, **forged}).encode()
    manifest.write_bytes(text + b"\n" + hashlib.sha256(text).hexdigest().encode())
    back = gallery("int8", tmp_path)
    assert back.load(kept, holds) is None
    assert len(back) == 0


def test_another_tier_takes_the_vectors_and_builds_its_own(tmp_path: Path) -> None:
    made = filled("exact", tmp_path)
    made.remove([5])
    made.snapshot(tmp_path / "kept", 3, head)
    for tier in ("ivf", "int8"):
        back = gallery(tier, tmp_path)
        assert back.load(tmp_path / "kept", holds) == 3
        back.settle()
        assert (back.stats().recall is not None) == (tier == "ivf")
        assert ids(back.search(ROWS[:8], 1)) == expected(ROWS, ROWS[:8], 1, without=(5,))


def test_a_floor_that_rose_since_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("govid.gallery.ivf.efforts", lambda _: [2])
    filled("ivf", tmp_path, floor=0.1).snapshot(tmp_path / "kept", 3, head)
    monkeypatch.undo()
    back = gallery("ivf", tmp_path, floor=0.98)
    assert back.load(tmp_path / "kept", holds) == 3
    assert back.stats().recall is None
    back.settle()
    recall = back.stats().recall
    assert recall is not None
    assert recall.recall_at_1 >= 0.98


def test_a_full_disk_leaves_the_older_one(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        filled("int8", tmp_path, 5).snapshot(kept, 99, head)
    monkeypatch.undo()
    assert gallery("int8", tmp_path).load(kept, holds) == 41
    assert only(kept)


@pytest.mark.parametrize("step", [1, 3, 4, 5])
def test_killed_while_writing_the_older_one_stays(kept: Path, step: int, tmp_path: Path) -> None:
    """The process dies at its ``step``-th fsync: of a file, a folder, or after the renaming."""
    script = f"""
import os, signal
from pathlib import Path
from tests.govid.gallery.support import filled, head
made = filled("int8", Path({str(tmp_path)!r}), 300)
steps, fsync = [], os.fsync
def dying(descriptor):
    steps.append(descriptor)
    if len(steps) == {step}:
        os.kill(os.getpid(), signal.SIGKILL)
    fsync(descriptor)
os.fsync = dying
made.snapshot(Path({str(kept)!r}), 99, head)
"""
    died = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    back = gallery("int8", tmp_path)
    assert back.load(kept, holds) == (99 if step == 5 else 41)
    assert len(back) == (300 if step == 5 else 700)
    back.snapshot(kept, 100, head)
    assert only(kept)  # what the dead process left is gone


@pytest.mark.parametrize("step", ["write", "read", "delete"])
@pytest.mark.parametrize("process", ["mine", "gone", "running"])
def test_what_was_left_unfinished_goes_with_its_process(
    kept: Path, process: str, step: str, tmp_path: Path
) -> None:
    """In a container the next server has the number of the one before."""
    with subprocess.Popen(["true"]) as gone:
        pass
    number = {"mine": os.getpid(), "gone": gone.pid, "running": os.getppid()}[process]
    left = kept / f"unfinished-{number}-1"
    left.mkdir()
    if step == "write":
        filled("exact", tmp_path, 5).snapshot(kept, 42, head)
    elif step == "read":
        assert gallery("int8", tmp_path).load(kept, holds) == 41
    else:
        snapshot.delete(kept)
    assert left.exists() == (process == "running")


# --- sealed -----------------------------------------------------------------------------------------

VAULT = Vault(GivenKeys(base64.b64encode(bytes(range(32))).decode()))


def sealed_of(tier: Tier, folder: Path, **options: object) -> TieredGallery:
    made = gallery(tier, folder, **options)  # type: ignore[arg-type]
    made._vault = VAULT
    return made


def sealed(tier: Tier, folder: Path, count: int = INDEXED, **options: object) -> Path:
    """A sealed snapshot of that many references."""
    made = sealed_of(tier, folder, **options)
    made.add(range(1, count + 1), templates(count))
    made.settle()
    made.snapshot(folder / "sealed", 41, head)
    return folder / "sealed"


@pytest.mark.parametrize("budget", [1 << 30, 3 * INDEXED * DIMENSION], ids=["in memory", "on disk"])
@pytest.mark.parametrize("tier", ["exact", "int8", "ivf", "hnsw"])
def test_a_sealed_gallery_comes_back_as_it_was(
    tier: Tier, budget: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.gallery.kept._BLOCK", 1000)  # many blocks, and rows across their borders
    folder = sealed(tier, tmp_path, budget=budget)
    back = sealed_of(tier, tmp_path, budget=budget)
    assert back.load(folder, holds) == 41
    back.settle()
    probes = np.concatenate([templates(20, seed=3), ROWS[:5]])
    assert ids(back.search(probes, 5)) == ids(filled(tier, tmp_path, budget=budget).search(probes, 5))
    content = b"".join(file.read_bytes() for file in only(folder).iterdir())
    assert ROWS[5].tobytes()[:16] not in content


@pytest.mark.parametrize("name", ["manifest.json", "ids", "vectors", "index"])
@pytest.mark.parametrize("harm", ["cut", "bit", "longer", "block"])
def test_a_sealed_one_that_was_altered_is_not_served(
    name: str, harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.gallery.kept._BLOCK", 1000)
    folder = sealed("ivf", tmp_path)
    file = only(folder) / name
    data = bytearray(file.read_bytes())
    if harm == "bit":
        data[len(data) // 2] ^= 1
    elif harm == "block":  # the last whole one is left out
        data = data[: (len(data) - 1) // 1016 * 1016]
    else:
        data = data[:-8] if harm == "cut" else data + b"0"
    file.write_bytes(data)
    # Whoever alters it knows how to compute a digest, but not the mark of the manifest.
    manifest = only(folder) / "manifest.json"
    if name != "manifest.json":
        text = manifest.read_bytes()[:-65]
        content = json.loads(text)
        content["digests"][name] = hashlib.sha256(data).hexdigest()
        text = json.dumps(content).encode()
        manifest.write_bytes(text + b"\n" + hashlib.sha256(text).hexdigest().encode())
    assert sealed_of("ivf", tmp_path).load(folder, holds) is None
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("harm", ["bit", "block", "longer", "swapped"])
def test_blocks_are_bound_to_their_place_by_themselves(
    harm: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.gallery.kept._BLOCK", 1000)
    cipher, path = kept_files.Cipher.new(VAULT), tmp_path / "vectors"
    rows = np.arange(2500, dtype="<u2").view(np.uint8)
    kept_files.write(path, [rows[:700], rows[700:]], cipher)
    back = np.empty(5000, np.uint8)
    kept_files.read(path, cipher, back)
    assert back.tobytes() == rows.tobytes()
    assert kept_files.size(path) == 5000
    data = bytearray(path.read_bytes())
    if harm == "bit":
        data[3] ^= 1
    elif harm == "block":
        del data[-1016:]
    elif harm == "longer":
        data += data[-1016:]
    else:
        data[:1016], data[1016:2032] = data[1016:2032], data[:1016]
    path.write_bytes(data)
    with pytest.raises(SealBroken):
        kept_files.read(path, cipher, back)
    for length in (4999, 5001):
        kept_files.write(tmp_path / "ids", [rows], cipher)
        with pytest.raises(SealBroken):
            kept_files.read(tmp_path / "ids", cipher, np.empty(length, np.uint8))
        (tmp_path / "ids").unlink()


def test_neither_a_clear_one_nor_one_of_other_keys_is_taken_for_sealed(kept: Path, tmp_path: Path) -> None:
    assert sealed_of("int8", tmp_path).load(kept, holds) is None
    assert list(kept.iterdir()) == []
    folder = sealed("int8", tmp_path)
    other = gallery("int8", tmp_path)
    other._vault = Vault(GivenKeys(base64.b64encode(bytes(32)).decode()))
    assert other.load(folder, holds) is None
    folder = sealed("int8", tmp_path)
    assert gallery("int8", tmp_path).load(folder, holds) is None
    assert list(folder.iterdir()) == []
