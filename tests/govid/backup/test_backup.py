"""A backup holds an installation as of one moment, says so under a signature, and comes back as it was."""

from __future__ import annotations

import base64
import json
import shutil
import sqlite3
import tomllib
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from govid.backup.afterwards import Afterwards, since
from govid.backup.keys import read as read_private_keys
from govid.backup.keys import save as save_keys
from govid.backup.manifest import KIND, NAME, Manifest, described
from govid.backup.restore import Restored, check_place, restore
from govid.backup.verify import verify
from govid.errors import (
    BackupBroken,
    BackupFailed,
    EncryptionKeyMissing,
    InvalidSettings,
    OperatorError,
    SigningKeyGone,
    TargetNotEmpty,
)
from govid.ledger.chain import Link
from govid.ledger.signing import Verifier, load_signer
from govid.store.erasures import marks
from govid.vault.journal import read
from tests.govid.backup.conftest import NewPlace
from tests.govid.backup.support import Place, journal

only_sqlite = pytest.mark.parametrize("new_place", ["sqlite"], indirect=True)


def brought_back(place: Place, folder: Path, target: Place, afterwards: Afterwards | None = None) -> Restored:
    found = verify(folder, place.verifier())
    check_place(target.settings, found)
    save_keys(folder.with_suffix(".keys"), place.settings)
    keys = read_private_keys(folder.with_suffix(".keys"))
    return restore(folder, found, target.settings, afterwards or Afterwards(), private_keys=keys)


def test_what_was_backed_up_comes_back(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    (place.folder / "use_cases").mkdir()
    (place.folder / "use_cases" / "hotel.toml").write_text('version = "1"')
    made = place.backup(tmp_path / "backup")
    assert (made.moment.subjects, made.moment.references, made.moment.audit_position) == (3, 3, 3)
    place.enrol("later")
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target)
    assert target.subjects() == ["alice", "bob", "王\\n小\\明"]
    assert (target.folder / "use_cases" / "hotel.toml").read_text() == 'version = "1"'
    old, new = place.store(), target.store()
    assert [
        (r.reference_id, r.template.embedding.tobytes(), r.created_at) for r in new.references("bob")
    ] == [(r.reference_id, r.template.embedding.tobytes(), r.created_at) for r in old.references("bob")]
    found = target.ledger(new).examine()
    assert (found.intact, found.rows, found.checkpoints) == (True, 4, 1), (
        "the fourth says that it was restored"
    )
    assert new.identity != old.identity, "no snapshot of the old store is taken for its own"
    old.close()
    new.close()
    # It is an installation like any other.
    target.enrol("dora")
    target.delete("alice")
    assert target.subjects() == ["bob", "dora", "王\\n小\\明"]
    assert not (target.folder / ".restoring").exists()


def test_a_backup_of_an_empty_installation_comes_back(new_place: NewPlace, tmp_path: Path) -> None:
    place, target = new_place("var"), new_place("restored")
    place.store().close()
    place.backup(tmp_path / "backup")
    brought_back(place, tmp_path / "backup", target)
    assert target.subjects() == []


def test_whoever_was_erased_since_stays_erased(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    made = place.backup(tmp_path / "backup")
    place.delete("bob")
    place.enrol("late")
    place.delete("late")
    afterwards = since(made.moment, *chain(place))
    assert [one.subject_id for one in afterwards.erasures] == ["bob", "late"]
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target, afterwards)
    assert target.subjects() == ["alice", "王\\n小\\明"]
    store = target.store()
    ledger = target.ledger(store)
    assert ledger.uses("bob").uses[0].operation == "replay_erasure"
    assert ledger.examine().intact
    store.close()


def test_the_file_of_erasures_does_as_well(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    place.delete("alice")
    journal(place)
    place.enrol("alice")
    place.backup(tmp_path / "backup")
    older = tmp_path / "older.jws"
    shutil.copy(journal(place), older)
    place.delete("bob")
    place.enrol("bob")
    receipts = read(journal(place), place.verifier())
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target, Afterwards(receipts=receipts))
    assert target.subjects() == ["alice", "王\\n小\\明"], "alice was erased before the backup, and came again"
    assert len(read(older, place.verifier())) < len(receipts)


@pytest.mark.parametrize("by", ["audit", "file"])
def test_a_reference_that_was_erased_since_stays_erased(
    place: Place, new_place: NewPlace, tmp_path: Path, by: str
) -> None:
    (first,), second = place.references("bob"), place.add("bob", 7)
    made = place.backup(tmp_path / "backup")
    place.delete_reference("bob", second)
    (alone,) = place.references("alice")
    place.add("alice", 8)
    place.delete_reference("alice", alone)
    afterwards = since(made.moment, *chain(place))
    if by == "file":
        afterwards = Afterwards(receipts=read(journal(place), place.verifier()))
    target = new_place("restored")
    done = brought_back(place, tmp_path / "backup", target, afterwards)
    assert target.references("bob") == [first]
    assert target.subjects() == ["bob", "王\\n小\\明"], "of alice nothing was left"
    assert (done.erased, done.to_enrol) == (2, ["alice"])
    # Nothing says that all of alice was to be erased: a newer backup may have her other reference.
    store = target.store()
    with store.database.reading() as connection:
        assert {mark.reference_id for mark in marks(connection)} == {second, alone}
    store.close()
    # Its own backups go on from there.
    again = since(made.moment, *chain(target))
    assert [(one.subject_id, one.reference_id) for one in again.erasures] == [
        *([("bob", second), ("alice", None)] if by == "audit" else [("alice", None), ("bob", second)])
    ]


def chain(place: Place) -> tuple[list[Link], list[str], Verifier]:
    """The audit of an installation, its checkpoints, and who signed them."""
    store = place.store()
    ledger = place.ledger(store)
    ledger.checkpoint()
    found = [*ledger.log.links()], [one for _, one in ledger.log.checkpoints()], ledger.signer.verifier
    store.close()
    return found


@only_sqlite
def test_a_file_of_erasures_from_before_the_backup_is_refused(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    place.delete("alice")
    older = read(journal(place), place.verifier())
    place.delete("bob")
    place.backup(tmp_path / "backup")
    target = new_place("restored")
    with pytest.raises(BackupBroken, match="older than the backup"):
        brought_back(place, tmp_path / "backup", target, Afterwards(receipts=older))
    assert not target.folder.exists()


@only_sqlite
def test_an_audit_that_does_not_go_on_from_the_backup_names_nobody(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    store = place.store()
    ledger = place.ledger(store)
    older = list(ledger.log.links())[:2]
    made = place.backup(tmp_path / "backup")
    with pytest.raises(BackupBroken, match="go on"):
        since(made.moment, older, [], ledger.signer.verifier)
    altered = [msgspec.json.encode(1), *older]
    with pytest.raises(BackupBroken, match="row 1"):
        since(made.moment, [older[0]._replace(record=altered[0])], [], ledger.signer.verifier)
    store.close()
    other = new_place("other")
    other.enrol("bob", "x", "y", "z")
    store = other.store()
    with pytest.raises(BackupBroken, match="go on"):
        since(made.moment, other.ledger(store).log.links(), [], other.verifier())
    store.close()


def test_no_private_key_and_no_password_is_in_it(place: Place, tmp_path: Path) -> None:
    place.backup(tmp_path / "backup")
    key = place.settings.signing_key.read_bytes().splitlines()[1]
    encryption = json.loads(place.settings.encryption_key_file.read_text())["keys"][0]["key"]
    for path in (tmp_path / "backup").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert key not in content
            assert encryption.encode() not in content
            assert base64.b64decode(encryption) not in content
            assert b"s3cret-of-the-tests" not in content
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700


@only_sqlite
def test_the_settings_come_along_without_secrets(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOVID_WORKERS", "3")
    monkeypatch.setenv("GOVID_PROVIDERS", "CPUExecutionProvider")
    monkeypatch.setenv("GOVID_WEBHOOK_URL", "https://x.example/?token=secret")
    monkeypatch.setenv("GOVID_STORE_URL", "postgresql://u:secret@h/d")
    monkeypatch.setenv("GOVID_ENCRYPTION_KEYS", "secret")
    place.backup(tmp_path / "backup")
    text = (tmp_path / "backup" / "settings.toml").read_text()
    assert tomllib.loads(text) == {"workers": "3", "providers": ["CPUExecutionProvider"]}


@only_sqlite
def test_the_private_keys_go_to_a_file_of_their_own(place: Place, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    assert save_keys(file, place.settings) == ["encryption.json", "signing.pem"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_private_keys(file)["signing.pem"] == place.settings.signing_key.read_bytes()
    with pytest.raises(TargetNotEmpty):
        save_keys(file, place.settings)
    file.chmod(0o640)
    with pytest.raises(InvalidSettings, match="others may read"):
        read_private_keys(file)
    file.chmod(0o600)
    for bad in (b"x", b"[]", b'{"../x": ""}', b'{".x": ""}', b'{"x": "%"}', b'{"x": 1}'):
        file.write_bytes(bad)
        with pytest.raises(InvalidSettings, match="no keys"):
            read_private_keys(file)


@only_sqlite
def test_without_the_encryption_key_nothing_is_restored(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    place.backup(tmp_path / "backup")
    target = new_place("restored")
    found = verify(tmp_path / "backup", place.verifier())
    with pytest.raises(EncryptionKeyMissing) as said:
        restore(tmp_path / "backup", found, target.settings, Afterwards())
    assert str(target.settings.encryption_key_file) in said.value.detail
    assert not target.folder.exists()


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _add(folder: Path) -> None:
    (folder / "use_cases").mkdir()
    (folder / "use_cases" / "general.toml").write_text("")


def _link(folder: Path) -> None:
    (folder / "settings.toml").rename(folder.parent / "elsewhere")
    (folder / "settings.toml").symlink_to(folder.parent / "elsewhere")


def _row(folder: Path) -> None:
    with sqlite3.connect(folder / "records.sqlite3") as copy:
        copy.execute("DELETE FROM audit WHERE audit_id = 3")


TAMPERING: dict[str, Callable[[Path], object]] = {
    "a bit of the records": lambda folder: _flip(folder / "records.sqlite3"),
    "a row of the audit": _row,
    "a bit of the manifest": lambda folder: _flip(folder / "manifest.jws"),
    "no manifest": lambda folder: (folder / "manifest.jws").unlink(),
    "no records": lambda folder: (folder / "records.sqlite3").unlink(),
    "one more policy": _add,
    "other keys": lambda folder: (folder / "keys.json").write_text("{}"),
    "a link": _link,
    "nothing": shutil.rmtree,
}


@only_sqlite
@pytest.mark.parametrize("tamper", TAMPERING.values(), ids=TAMPERING)
def test_what_was_altered_is_noticed(place: Place, tmp_path: Path, tamper: Callable[[Path], object]) -> None:
    place.backup(tmp_path / "backup")
    assert verify(tmp_path / "backup", place.verifier()).moment.subjects == 3
    tamper(tmp_path / "backup")
    with pytest.raises(BackupBroken):
        verify(tmp_path / "backup", place.verifier())


@only_sqlite
def test_a_backup_signed_by_somebody_else_is_refused(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    other = new_place("other")
    other.enrol("mallory")
    other.backup(tmp_path / "backup")
    theirs, ours = other.verifier().key_ids[0], place.verifier().key_ids[0]
    with pytest.raises(
        BackupBroken, match=rf"none of the keys given \({ours}\) signed it.*; it names {theirs}$"
    ):
        verify(tmp_path / "backup", place.verifier())


@only_sqlite
def test_an_audit_that_was_broken_before_the_backup_is_noticed(place: Place, tmp_path: Path) -> None:
    with sqlite3.connect(place.settings.database) as attacker:
        attacker.execute("UPDATE audit SET record = replace(record, 'bob', 'eve') WHERE audit_id = 2")
    place.backup(tmp_path / "backup")
    with pytest.raises(BackupBroken, match="row 2"):
        verify(tmp_path / "backup", place.verifier())


def test_an_altered_dump_is_noticed(place: Place, tmp_path: Path) -> None:
    made = place.backup(tmp_path / "backup")
    _flip(tmp_path / "backup" / made.records)
    with pytest.raises(BackupBroken, match=made.records):
        verify(tmp_path / "backup", place.verifier())


def test_nothing_is_overwritten(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    place.backup(tmp_path / "backup")
    with pytest.raises(TargetNotEmpty):
        place.backup(tmp_path / "backup")
    found = verify(tmp_path / "backup", place.verifier())
    with pytest.raises(TargetNotEmpty):
        check_place(place.settings, found)
    target = new_place("restored")
    target.store().close()
    shutil.rmtree(target.folder)
    if target.settings.store_url:
        with pytest.raises(TargetNotEmpty):
            check_place(target.settings, found)
    else:
        check_place(target.settings, found)
        (target.folder / "models").mkdir(parents=True)
        check_place(target.settings, found)
        (target.folder / "x").touch()
        with pytest.raises(TargetNotEmpty):
            check_place(target.settings, found)


@only_sqlite
def test_a_newer_schema_and_another_kind_of_store_are_refused(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    found = place.backup(tmp_path / "backup")
    newer = msgspec.structs.replace(found, moment=msgspec.structs.replace(found.moment, schema=999))
    target = new_place("restored")
    with pytest.raises(BackupBroken, match="newer govid"):
        check_place(target.settings, newer)
    elsewhere = msgspec.structs.replace(target.settings, store_url="postgresql://nowhere/x")
    with pytest.raises(InvalidSettings, match="unset store_url"):
        check_place(elsewhere, found)


@only_sqlite
def test_a_records_file_exchanged_after_the_check_is_noticed(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    place.backup(tmp_path / "backup")
    found = verify(tmp_path / "backup", place.verifier())
    _flip(tmp_path / "backup" / "records.sqlite3")
    target = new_place("restored")
    with pytest.raises(BackupBroken, match="altered"):
        restore(tmp_path / "backup", found, target.settings, Afterwards())
    assert not target.folder.exists()


@only_sqlite
def test_a_backup_that_fails_leaves_nothing(place: Place, tmp_path: Path) -> None:
    place.settings.database.write_bytes(b"no database" * 1000)
    with pytest.raises(OperatorError):
        place.backup(tmp_path / "backups" / "one")
    assert list((tmp_path).rglob("*unfinished*")) == []
    assert not (tmp_path / "backups" / "one").exists()


def test_a_backup_made_before_a_rotation_comes_back_with_the_newer_audit(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    from tests.govid.ledger.test_rotation import rotated

    made = place.backup(tmp_path / "backup")
    store = place.store()
    rotated(store, place.settings.signing_key)
    ledger = place.ledger(store)
    statements = [statement for _, statement in ledger.log.checkpoints()]
    afterwards = since(made.moment, ledger.log.links(), statements, ledger.signer.verifier)
    store.close()
    target = new_place("restored")
    if not target.settings.store_url:
        with pytest.raises(BackupFailed, match="newer than the backup"):
            brought_back(place, tmp_path / "backup", target)
        (tmp_path / "backup.keys").unlink()
    brought_back(place, tmp_path / "backup", target, afterwards)
    store = target.store()
    assert target.ledger(store).examine().intact
    assert target.ledger(store).signer.verifier.key_ids == place.verifier().key_ids
    store.close()


@only_sqlite
def test_the_key_of_another_store_is_called_so(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    made, other, target = place.backup(tmp_path / "backup"), new_place("other"), new_place("restored")
    theirs = other.verifier().key_ids[0]
    save_keys(tmp_path / "keys.json", place.settings)
    (target.folder / "keys").mkdir(parents=True)
    shutil.copy(other.settings.signing_key, target.settings.signing_key)
    with pytest.raises(BackupFailed, match="key of another store, remove it and bring the right one") as said:
        restore(
            tmp_path / "backup",
            made,
            target.settings,
            Afterwards(),
            private_keys=read_private_keys(tmp_path / "keys.json"),
        )
    assert (
        f"{target.settings.signing_key}: it holds {theirs}; {made.signed_by} signs these records"
        in said.value.detail
    )


@only_sqlite
def test_without_the_signing_key_a_restore_says_so_and_no_start_makes_another(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    target = new_place("restored")
    made = _as_an_older_govid_made_it(place.backup(tmp_path / "backup"), tmp_path / "backup", place)
    save_keys(tmp_path / "keys.json", place.settings)
    keys = read_private_keys(tmp_path / "keys.json")
    del keys["signing.pem"]
    done = restore(tmp_path / "backup", made, target.settings, Afterwards(), private_keys=keys)
    assert done.missing_key == made.signed_by
    store = target.store()
    with pytest.raises(SigningKeyGone, match=made.signed_by):
        target.ledger(store)
    shutil.copy(place.settings.signing_key, target.settings.signing_key)
    assert target.ledger(store).examine().intact
    store.close()


def _as_an_older_govid_made_it(made: Manifest, folder: Path, place: Place) -> Manifest:
    """Before its first checkpoint: nothing but the manifest names the key."""
    with closing(sqlite3.connect(folder / "records.sqlite3", isolation_level=None)) as copy:
        copy.execute("DELETE FROM first_signing_key")
        copy.execute("DELETE FROM audit_checkpoint")
    signer = load_signer(place.settings.signing_key)
    (folder / NAME).unlink()
    made = msgspec.structs.replace(made, files=described(folder))
    (folder / NAME).write_text(signer.sign(KIND, made))
    return verify(folder, signer.verifier)
