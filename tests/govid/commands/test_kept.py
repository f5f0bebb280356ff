"""`govid retention` and `govid subject` as a person types them."""

from __future__ import annotations

import json
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from govid.store.photos import KeptPhoto
from govid.store.sqlite import SqliteStore
from tests import support
from tests.govid.store.support import AUDIT, lived, new, reply


def govid(folder: Path, *arguments: object) -> subprocess.CompletedProcess[bytes]:
    command = [support.GOVID, "--data-dir", str(folder), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, check=False)


def test_what_is_past_its_time_is_told_and_then_erased(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    for number, left in enumerate([-1.0, -1.0, 1000.0]):
        photo = KeptPhoto("image/jpeg", b"a face", time.time() + left)
        store.add_subject(replace(new(f"s{number}"), photo=photo), AUDIT, None, reply)
    lived(store, time.time() - 32 * 86400)
    store.close()
    refused = govid(tmp_path, "retention", "run", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["slug"]) == (1, "clock-doubtful")
    for trusted, code, slug in [([], 1, "clock-doubtful"), (["--trust-clock"], 0, None)]:
        looked = govid(tmp_path, "retention", "run", "--dry-run", *trusted, "--json")
        told = json.loads(looked.stdout)
        assert (looked.returncode, told["dry_run"], told["erased"]["photos"]) == (code, True, 2)
        assert (told["refused"] or {}).get("slug") == slug
    said = govid(tmp_path, "retention", "run", "--dry-run").stdout
    assert said.startswith(b"would be erased  photos: 2\na run would refuse: clock-doubtful: ")
    assert b"--trust-clock" in said
    assert not (tmp_path / "keys" / "signing.pem").exists(), "a look makes no key"
    assert govid(tmp_path, "retention", "run", "--trust-clock").stdout == b"erased  photos: 2\n"
    assert govid(tmp_path, "retention", "run").stdout == b"nothing is past its time\n"


def test_an_export_is_for_its_owner_and_replaces_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    store.add_subject(new("alice"), AUDIT, None, reply)
    store.close()
    out = tmp_path / "alice.json"
    done = json.loads(govid(tmp_path, "subject", "export", "alice", "--out", out, "--json").stdout)
    assert done["bytes"] == out.stat().st_size
    assert out.stat().st_mode & 0o777 == 0o600
    assert json.loads(out.read_bytes())["export"]["references"][0]["model_id"] == "m"
    again = govid(tmp_path, "subject", "export", "alice", "--out", out, "--json")
    assert (again.returncode, json.loads(again.stdout)["slug"]) == (3, "invalid-parameter")
    wrong = govid(tmp_path, "subject", "export", "../alice", "--out", tmp_path / "other.json", "--json")
    assert (wrong.returncode, json.loads(wrong.stdout)["slug"]) == (3, "invalid-subject-id")
    assert not (tmp_path / "other.json").exists()
