"""Where a command is told to write and cannot, it says so before anything is made."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from govid.store.sqlite import SqliteStore
from tests import support
from tests.govid.store.support import AUDIT


def govid(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [support.GOVID, "--data-dir", str(folder), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    store = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    store.append_audit(AUDIT)
    store.close()
    return tmp_path / "var"


def test_the_audit_replaces_an_older_export_by_a_whole_one_for_its_owner_only(
    folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "audit.ndjson"
    out.write_text("of yesterday")
    out.chmod(0o644)
    assert govid(folder, "audit", "export", out).stdout == "1 rows\n"
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_text())["audit_id"] == 1
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["audit.ndjson"]
    (tmp_path / "out").symlink_to("/dev/stdout")
    assert (
        json.loads(govid(folder, "audit", "export", tmp_path / "out").stdout.splitlines()[0])["audit_id"] == 1
    )
    assert (tmp_path / "out").is_symlink(), "it is written to, not replaced"
    refused = govid(folder, "audit", "export", tmp_path / "nowhere" / "audit.ndjson", "--json")
    assert json.loads(refused.stdout)["slug"] == "invalid-parameter"


@pytest.mark.parametrize("there", [True, False])
def test_an_export_follows_no_link_to_a_file(folder: Path, tmp_path: Path, there: bool) -> None:
    planted, elsewhere = tmp_path / "audit.ndjson", tmp_path / "elsewhere"
    if there:
        elsewhere.write_text("of somebody else")
    planted.symlink_to(elsewhere)
    refused = govid(folder, "audit", "export", planted, "--json")
    assert json.loads(refused.stdout)["slug"] == "invalid-parameter"
    assert planted.is_symlink()
    assert elsewhere.exists() == there
    assert not there or elsewhere.read_text() == "of somebody else"


def test_a_table_of_calibration_is_not_measured_where_it_cannot_be_written(
    folder: Path, tmp_path: Path
) -> None:
    for person in ("a", "b"):
        (tmp_path / "photos" / person).mkdir(parents=True)
        (tmp_path / "photos" / person / "1.jpg").write_bytes(support.OBAMA)
    (tmp_path / "file").touch()
    refused = govid(
        folder, "calibrate", "--data", tmp_path / "photos", "--out", tmp_path / "file" / "x", "--json"
    )
    assert json.loads(refused.stdout)["slug"] == "invalid-settings"


@pytest.mark.parametrize(
    ("keys", "slug"), [("nowhere/keys.json", "backup-failed"), ("there", "target-not-empty")]
)
def test_no_backup_is_made_whose_keys_have_no_place(
    folder: Path, tmp_path: Path, keys: str, slug: str
) -> None:
    (tmp_path / "there").touch()
    made = ("backup", "create", tmp_path / "backup", "--with-keys", tmp_path / keys)
    assert json.loads(govid(folder, *made, "--json").stdout)["slug"] == slug
    assert not (tmp_path / "backup").exists()
