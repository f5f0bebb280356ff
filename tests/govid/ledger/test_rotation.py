"""The signing key changes: what was signed before stays proven, and nothing else becomes so."""

from __future__ import annotations

import json
import shutil
import time
from pathlib import Path

import pytest

from govid.audit import AuditRecord
from govid.errors import InvalidReceipt, InvalidSettings, SigningKeyRetired
from govid.ledger import checkpoints, receipts, rotation
from govid.ledger.ledger import Ledger
from govid.ledger.signing import load_signer, read_verifier
from govid.store.audit import AuditLog
from govid.store.records import SqlStore
from tests.govid.store.support import OpenStore


def key_of(folder: Path) -> Path:
    return folder / "keys" / "signing.pem"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    return key_of(tmp_path)


@pytest.fixture
def ledger(store: SqlStore, key: Path) -> Ledger:
    return Ledger(store.database, key, {}, complaint_days=1)


@pytest.fixture(autouse=True)
def always_looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if a second had passed."""
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0.0)


def decided(store: SqlStore, ledger: Ledger, request_id: str) -> str:
    """The receipt of a decision."""
    record = AuditRecord(time=time.time(), request_id=request_id, operation="verify", outcome="MATCH")
    return ledger.receipt(record, store.append_audit(record))


def rotated(store: SqlStore, key: Path) -> rotation.Rotation:
    record = AuditRecord(
        time=time.time(), request_id="rotation", operation="rotate_signing_key", outcome="ROTATED"
    )
    return rotation.rotate(key, AuditLog(store.database), record)


def test_a_server_signs_with_the_new_key_and_the_old_receipts_stay_valid(
    store: SqlStore, ledger: Ledger, key: Path
) -> None:
    old = decided(store, ledger, "r1")
    ledger.checkpoint()
    first = ledger.signer.key_id
    rotated(store, key)
    new = decided(store, ledger, "r2")
    ledger.checkpoint()
    rotated(store, key)
    newest = decided(store, ledger, "r3")
    ledger.checkpoint()
    verifier = ledger.signer.verifier
    assert [verifier.signed_by(token) for token in (newest, new, old)] == verifier.key_ids
    assert verifier.key_ids[-1] == first
    assert [receipts.read(verifier, token).jti for token in (old, new, newest)] == ["r1", "r2", "r3"]
    found = ledger.examine()
    assert (found.intact, found.rows, found.checkpoints, found.uncovered) == (True, 5, 3, 0)
    assert ledger.rate("r1", old, "bad", "", request_id="x").complaint_id is not None


def test_the_published_keys_prove_all_of_it_offline(store: SqlStore, ledger: Ledger, key: Path) -> None:
    old = decided(store, ledger, "r1")
    ledger.checkpoint()
    until = rotated(store, key).until
    decided(store, ledger, "r2")
    ledger.checkpoint()
    published = json.loads(json.dumps(ledger.signer.verifier.jwks()))
    assert [one.get("exp") for one in published["keys"]] == [None, until]
    verifier = read_verifier(published)
    assert receipts.read(verifier, old).jti == "r1"
    statements = [statement for _, statement in ledger.log.checkpoints()]
    assert checkpoints.examine(ledger.log.links(), statements, verifier).intact


def test_the_old_private_key_is_gone(store: SqlStore, ledger: Ledger, key: Path) -> None:
    before = key.read_bytes()
    rotated(store, key)
    assert [file.name for file in key.parent.glob("signing*")] == ["signing.pem"]
    assert all(before != file.read_bytes() for file in key.parent.iterdir())
    assert key.stat().st_mode & 0o777 == 0o600


def test_a_rotation_that_was_cut_short_is_finished_by_the_next_start(
    store: SqlStore, ledger: Ledger, key: Path, tmp_path: Path
) -> None:
    shutil.copytree(key.parent, tmp_path / "before")
    load_signer(rotation.successor_path(key))
    shutil.copy(rotation.successor_path(key), tmp_path / "before")
    rotated(store, key)
    successor = ledger.signer.key_id
    # The audit has the new key, the folder has not: killed in between.
    shutil.rmtree(key.parent)
    shutil.copytree(tmp_path / "before", key.parent)
    assert Ledger(store.database, key, {}, complaint_days=1).signer.key_id == successor
    assert load_signer(key, create=False).key_id == successor
    assert not rotation.successor_path(key).exists()


def test_a_server_on_another_machine_takes_over_the_key_that_waits_there_and_signs_nothing_without(
    open_store: OpenStore, tmp_path: Path
) -> None:
    here, there = key_of(tmp_path / "here"), key_of(tmp_path / "there")
    store = open_store()
    Ledger(store.database, here, {}, complaint_days=1)
    shutil.copytree(here.parent, there.parent)
    other = Ledger(open_store().database, there, {}, complaint_days=1)
    rotated(store, here)
    with pytest.raises(SigningKeyRetired):
        decided(store, other, "r1")
    shutil.copy(here, rotation.successor_path(there))
    token = decided(store, other, "r2")
    assert other.signer.verifier.signed_by(token) == load_signer(here, create=False).key_id
    shutil.copy(here, there)
    assert Ledger(store.database, there, {}, complaint_days=1).examine().intact


def test_a_key_does_not_come_back(store: SqlStore, ledger: Ledger, key: Path) -> None:
    shutil.copy(key, key.with_name("kept.pem"))
    rotated(store, key)
    key.with_name("kept.pem").rename(rotation.successor_path(key))
    with pytest.raises(InvalidSettings, match="in use before"):
        rotated(store, key)


def test_an_old_key_signs_no_checkpoint_behind_its_end(store: SqlStore, ledger: Ledger, key: Path) -> None:
    stale = ledger.signer
    decided(store, ledger, "r1")
    rotated(store, key)
    assert checkpoints.make(ledger.log, stale) == []
    assert [made.rows for made in ledger.checkpoint()] == [2]


def test_what_a_retired_key_signs_later_is_refused(store: SqlStore, ledger: Ledger, key: Path) -> None:
    stale = ledger.signer
    until = rotated(store, key).until
    late = AuditRecord(time=until + 1, request_id="r1", operation="verify", outcome="MATCH")
    digest = store.append_audit(late)
    token = receipts.issue(stale, late, digest, {})
    with pytest.raises(InvalidReceipt, match="retired"):
        ledger.rate("r1", token, "bad", "", request_id="x")
