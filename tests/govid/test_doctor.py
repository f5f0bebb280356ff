"""What `govid doctor` finds, that a start would refuse."""

from __future__ import annotations

import shutil
from pathlib import Path

from govid import Settings
from govid.doctor import examine
from govid.ledger.ledger import Ledger
from govid.store.sqlite import SqliteStore
from govid.vault.journal import ErasureJournal, read, replay
from tests.govid.store.support import AUDIT, new, reply


def brought_back(settings: Settings) -> list[str]:
    return [said for said in examine(settings).problems if "govid vault replay" in said]


def test_who_was_erased_and_is_back_is_a_problem(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path))
    file, backup = tmp_path / "govid.sqlite3", tmp_path / "backup"
    store = SqliteStore(file)
    Ledger(store.database, settings.signing_key, {}, complaint_days=1)
    for subject in ("alice", "bob"):
        store.add_subject(new(subject), AUDIT, None, reply)
    store.close()
    shutil.copy(file, backup)
    assert brought_back(settings) == []
    assert not settings.erasures_file.exists()

    store = SqliteStore(file)
    ledger = Ledger(store.database, settings.signing_key, {}, complaint_days=1)
    store.delete_subject("alice", AUDIT, None, lambda _: b"")
    ErasureJournal(settings.erasures_file, store.database, lambda: ledger.signer).catch_up()
    verifier = ledger.signer.verifier
    store.close()
    assert brought_back(settings) == []

    for old in tmp_path.glob("govid.sqlite3*"):
        old.unlink()
    shutil.copy(backup, file)
    (said,) = brought_back(settings)
    assert "1 subjects or references" in said
    store = SqliteStore(file)
    replay(store, read(settings.erasures_file, verifier))
    store.close()
    assert brought_back(settings) == []
