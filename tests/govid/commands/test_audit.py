"""`govid audit verify` before anything was signed, and without the key that did."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from govid.ledger.ledger import Ledger
from govid.store.sqlite import SqliteStore
from tests import support
from tests.govid.store.support import AUDIT


def verify(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [support.GOVID, "--data-dir", str(folder), "audit", "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_where_no_server_ever_ran_nothing_has_been_signed(tmp_path: Path) -> None:
    for _ in range(2):
        found = verify(tmp_path)
        assert (found.returncode, found.stdout) == (0, "nothing has been signed yet\n")
    assert json.loads(verify(tmp_path, "--json").stdout)["rows"] == 0
    assert not (tmp_path / "keys" / "signing.pem").exists()


@pytest.mark.parametrize("used", [True, False])
def test_records_without_their_key_are_not_proven(tmp_path: Path, used: bool) -> None:
    store, key = SqliteStore(tmp_path / "govid.sqlite3"), tmp_path / "keys" / "signing.pem"
    if used:
        Ledger(store.database, key, {}, complaint_days=1)
        key.rename(tmp_path / "elsewhere.pem")
    store.append_audit(AUDIT)
    store.close()
    problem = json.loads(verify(tmp_path, "--json").stdout)
    assert problem["slug"] == "signing-key-gone"
    assert "backup" in problem["remedy"]
    if used:
        looked = subprocess.run(
            [support.GOVID, "--data-dir", str(tmp_path), "doctor", "--json"], capture_output=True, check=False
        )
        assert any("signing-key-gone" in one for one in json.loads(looked.stdout)["problems"])
        (tmp_path / "elsewhere.pem").rename(key)
        assert verify(tmp_path).stdout.startswith("intact  1 rows, 0 checkpoints")


def test_doctor_misses_a_key_that_only_a_checkpoint_names(tmp_path: Path) -> None:
    store, key = SqliteStore(tmp_path / "govid.sqlite3"), tmp_path / "keys" / "signing.pem"
    ledger = Ledger(store.database, key, {}, complaint_days=1)
    store.append_audit(AUDIT)
    ledger.checkpoint()
    with store.database.writing() as connection:
        connection.execute("DELETE FROM first_signing_key")  # as an older version left it
    store.close()
    key.unlink()
    looked = subprocess.run(
        [support.GOVID, "--data-dir", str(tmp_path), "doctor", "--json"], capture_output=True, check=False
    )
    assert any("signing-key-gone" in one for one in json.loads(looked.stdout)["problems"])


def test_keys_where_no_server_ever_ran_are_none_and_none_is_made(tmp_path: Path) -> None:
    def listed(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [support.GOVID, "--data-dir", str(tmp_path), "audit", "keys", "list", *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    found = listed()
    assert (found.returncode, found.stdout) == (0, "no key yet: the first start of a server makes one\n")
    assert json.loads(listed("--json").stdout) == {"keys": []}
    assert not (tmp_path / "keys" / "signing.pem").exists()
    store = SqliteStore(tmp_path / "govid.sqlite3")
    signer = Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=1).signer
    store.close()
    assert listed().stdout == f"{signer.key_id}  signs\n"
    (tmp_path / "keys" / "signing.pem").unlink()
    assert json.loads(listed("--json").stdout)["slug"] == "signing-key-gone"
