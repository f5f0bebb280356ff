"""The records name the key that signs first: from its first use on, no other takes its place in silence."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from govid.audit import AuditRecord
from govid.errors import InvalidSettings, SigningKeyForeign, SigningKeyGone
from govid.ledger.ledger import Ledger
from govid.ledger.rotation import Keyring, current_signer, rotate
from govid.ledger.signing import load_signer
from govid.store.audit import AuditLog
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from tests.govid.store.support import OpenStore

DECISION = AuditRecord(time=1000.0, request_id="d", operation="verify", outcome="MATCH")
ROTATION = AuditRecord(time=1000.0, request_id="r", operation="rotate_signing_key", outcome="ROTATED")


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return tmp_path / "keys" / "signing.pem"


def opened(store: SqlStore, key: Path) -> Ledger:
    return Ledger(store.database, key, {}, complaint_days=1)


def replace(key: Path) -> None:
    key.unlink()
    load_signer(key)


def test_a_key_that_was_lost_before_the_first_checkpoint_is_not_made_anew(store: SqlStore, key: Path) -> None:
    first = opened(store, key).signer.key_id
    store.append_audit(DECISION)
    key.rename(key.with_name("backup.pem"))
    with pytest.raises(SigningKeyGone, match=first):
        opened(store, key)
    assert not key.exists()
    key.with_name("backup.pem").rename(key)
    assert opened(store, key).signer.key_id == first


@pytest.mark.parametrize("signed", [False, True])
def test_another_key_is_refused_before_and_after_the_first_checkpoint(
    store: SqlStore, key: Path, signed: bool
) -> None:
    ledger = opened(store, key)
    store.append_audit(DECISION)
    if signed:
        ledger.checkpoint()
    replace(key)
    for create in (True, False):
        with pytest.raises(SigningKeyForeign, match=ledger.signer.key_id):
            current_signer(key, AuditLog(store.database), create=create)


@pytest.mark.parametrize("create", [True, False])
def test_a_key_that_cannot_be_looked_at_is_not_taken_for_a_lost_one(
    store: SqlStore, tmp_path: Path, create: bool
) -> None:
    with pytest.raises(InvalidSettings, match="File name too long"):
        current_signer(tmp_path / ("k" * 300), AuditLog(store.database), create=create)


def test_of_two_servers_with_keys_of_their_own_one_starts(open_store: OpenStore, tmp_path: Path) -> None:
    here, there = tmp_path / "here" / "signing.pem", tmp_path / "there" / "signing.pem"
    first = opened(open_store(), here).signer.key_id
    with pytest.raises(SigningKeyGone):
        opened(open_store(), there)
    load_signer(there)
    with pytest.raises(SigningKeyForeign):
        opened(open_store(), there)
    shutil.copy(here, there)
    assert opened(open_store(), there).signer.key_id == first


def test_a_key_that_lies_there_is_taken_into_use_and_a_look_names_none(store: SqlStore, key: Path) -> None:
    placed, log = load_signer(key), AuditLog(store.database)
    assert current_signer(key, log, create=False).key_id == placed.key_id
    assert log.first_key() is None
    Keyring(key, log)
    assert log.first_key() == placed.key_id


def test_the_first_key_stays_named_through_a_rotation(store: SqlStore, key: Path) -> None:
    first, log = opened(store, key).signer.key_id, AuditLog(store.database)
    rotate(key, log, ROTATION)
    assert opened(store, key).signer.key_id != first
    assert log.first_key() == first
    key.unlink()
    with pytest.raises(SigningKeyGone, match="since row 1"):
        opened(store, key)


def test_records_from_before_are_known_by_their_first_checkpoint(tmp_path: Path, key: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    ledger = opened(store, key)
    store.append_audit(DECISION)
    ledger.checkpoint()
    with sqlite3.connect(tmp_path / "govid.sqlite3") as before:
        before.execute("DELETE FROM first_signing_key")
    kept = key.read_bytes()
    replace(key)
    with pytest.raises(SigningKeyForeign, match=ledger.signer.key_id):
        opened(store, key)
    key.write_bytes(kept)
    assert opened(store, key).signer.key_id == ledger.signer.key_id
    store.close()
