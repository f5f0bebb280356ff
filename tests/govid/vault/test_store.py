"""What a store makes of its keys: moved rows, missing keys, stores from before, rotation."""

from __future__ import annotations

from pathlib import Path

import pytest

from govid.errors import EncryptionKeyMissing, InvalidSettings, SealBroken, StoreUnavailable
from govid.store import erasures
from govid.store.database import Connection
from govid.store.erasures import Erased
from govid.store.records import SqlStore
from govid.vault import initial, rotation
from govid.vault.keys import FileKeys
from govid.vault.vault import Vault
from tests.govid.store.support import AUDIT, OpenStore, new, reply
from tests.govid.vault.support import clear_again


def nothing(_: int) -> None:
    """No progress to show."""


def change(store: SqlStore, statement: str, *parameters: object) -> None:
    """What somebody does who can write to the database."""
    with store.database.writing() as connection:
        connection.execute(statement, parameters)  # type: ignore[arg-type]


def faces(store: SqlStore, count: int) -> None:
    for number in range(count):
        store.add_subject(new(f"s{number}", number), AUDIT, None, reply)


@pytest.mark.parametrize(
    "moved",
    [
        "UPDATE reference SET embedding = (SELECT embedding FROM reference WHERE subject_id = 's1')"
        " WHERE subject_id = 's0'",
        "UPDATE reference SET subject_id = 's0' WHERE subject_id = 's1'",
        "UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key WHERE subject_id = 's1'),"
        " key_id = (SELECT key_id FROM subject_key WHERE subject_id = 's1') WHERE subject_id = 's0'",
        "UPDATE reference SET created_at = created_at + 1 WHERE subject_id = 's0'",
        "UPDATE reference SET model_id = 'n' WHERE subject_id = 's0'",
        "DELETE FROM subject_key WHERE subject_id = 's0'",
    ],
)
def test_rows_that_were_moved_or_made_younger_are_refused_and_hide_nobody(
    store: SqlStore, moved: str
) -> None:
    faces(store, 2)
    change(store, moved)
    with pytest.raises(SealBroken, match="reference"):
        store.templates("s0")
    with pytest.raises(SealBroken):
        list(store.all_templates()[1])
    with pytest.raises(SealBroken):
        store.changes(after=0, limit=9)


def test_a_template_in_clear_is_refused_in_a_sealed_store(store: SqlStore) -> None:
    faces(store, 1)
    change(store, "UPDATE reference SET embedding = ?, sealed = 0", _packed("x"))
    with pytest.raises(SealBroken):
        store.templates("s0")
    assert not rotation.status(store.database, store.vault).sealed


def test_without_its_keys_a_store_does_not_open_and_makes_no_others(tmp_path: Path) -> None:
    from govid.store.sqlite import SqliteStore

    store = SqliteStore(tmp_path / "govid.sqlite3")
    faces(store, 1)
    store.close()
    kept = (tmp_path / "keys" / "encryption.json").rename(tmp_path / "kept")
    with pytest.raises(EncryptionKeyMissing, match="not there"):
        SqliteStore(tmp_path / "govid.sqlite3")
    assert not list((tmp_path / "keys").iterdir())
    wrong = FileKeys(tmp_path / "wrong.json")
    wrong.create()
    with pytest.raises(EncryptionKeyMissing, match="has no key"):
        SqliteStore(tmp_path / "govid.sqlite3", Vault(wrong))
    kept.rename(tmp_path / "keys" / "encryption.json")
    store = SqliteStore(tmp_path / "govid.sqlite3")
    assert len(store.templates("s0")) == 1
    store.close()


def test_a_store_from_before_is_sealed_when_it_is_opened(open_store: OpenStore) -> None:
    store = open_store()
    faces(store, 5)
    before = [template.embedding.tobytes() for _, template in store.all_templates()[1]]
    clear_again(store)
    with store.database.reading() as connection:
        assert initial.clear_references(connection) == 5
    again = open_store()
    assert [template.embedding.tobytes() for _, template in again.all_templates()[1]] == before
    found = rotation.status(again.database, again.vault)
    assert (found.sealed, found.clear_references) == (True, 0)
    assert sum(found.subjects_by_key.values()) == 5


def test_no_page_of_the_file_or_its_log_keeps_a_clear_template(tmp_path: Path) -> None:
    from govid.store.sqlite import SqliteStore

    store = SqliteStore(tmp_path / "govid.sqlite3")
    faces(store, 200)
    clear = [template.embedding.tobytes() for _, template in store.all_templates()[1]]

    def found() -> int:
        content = b"".join(file.read_bytes() for file in tmp_path.glob("govid.sqlite3*"))
        return sum(one in content for one in clear)

    assert found() == 0
    clear_again(store)
    store.close()
    assert found() == 200
    store = SqliteStore(tmp_path / "govid.sqlite3")
    assert found() == 0
    store.close()


def test_sealing_goes_on_where_it_was_stopped(open_store: OpenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store()
    faces(store, 5)
    before = [template.embedding.tobytes() for _, template in store.all_templates()[1]]
    clear_again(store)
    monkeypatch.setattr(initial, "_BATCH", 2)
    real, batches = initial._seal_some, [1, 2]

    def stop(connection: Connection, vault: Vault) -> int:
        if not batches:
            raise KeyboardInterrupt
        batches.pop()
        return real(connection, vault)

    with monkeypatch.context() as patch:
        patch.setattr(initial, "_seal_some", stop)
        with pytest.raises(KeyboardInterrupt):
            open_store()
    with store.database.reading() as connection:
        assert initial.clear_references(connection) == 1
    again = open_store()
    assert [template.embedding.tobytes() for _, template in again.all_templates()[1]] == before


@pytest.mark.parametrize("proof", [None, b"\1" + bytes(40)])
def test_a_forged_template_is_not_sealed_by_taking_the_mark_away(
    open_store: OpenStore, proof: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store()
    faces(store, 2)
    change(store, "UPDATE reference SET embedding = ?, sealed = 0 WHERE subject_id = 's0'", _packed("x"))
    change(store, "DELETE FROM store_sealed")
    if proof:
        change(store, "INSERT INTO store_sealing SELECT key_id, ? FROM encryption_key", proof)
    again = open_store()
    assert "took the mark off" in caplog.text
    with pytest.raises(SealBroken):
        again.templates("s0")
    assert len(again.templates("s1")) == 1
    assert rotation.status(again.database, again.vault).clear_references == 1


def test_what_cannot_be_written_anew_is_said_and_tried_again(
    open_store: OpenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    faces(store, 1)
    clear_again(store)

    def full(*_: object) -> None:
        raise StoreUnavailable("no room")

    with monkeypatch.context() as patch:
        patch.setattr(type(store.database), "rewrite", full)
        with pytest.raises(StoreUnavailable, match="free pages"):
            open_store()
    assert not rotation.status(store.database, store.vault).sealed
    assert rotation.status((again := open_store()).database, again.vault).sealed


# --- rotation ---------------------------------------------------------------------------------------


def test_a_rotation_wraps_all_anew_and_touches_no_template(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "_BATCH", 2)
    vault = store.vault
    faces(store, 5)
    sealed = _sealed(store)
    old = vault.keys.current()
    rotation.adopt(store.database, vault, vault.keys.create())

    def stop(done: int) -> None:
        if done >= 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotation.rewrap(store.database, vault, stop)
    assert rotation.unfinished(store.database, vault)
    with pytest.raises(InvalidSettings, match="still wraps"):
        rotation.destroy(store.database, vault, old)
    assert len(list(store.all_templates()[1])) == 5
    assert rotation.rewrap(store.database, vault, nothing) == 1
    assert not rotation.unfinished(store.database, vault)
    assert _sealed(store) == sealed
    rotation.destroy(store.database, vault, old)
    with pytest.raises(InvalidSettings, match="current"):
        rotation.destroy(store.database, vault, vault.keys.current())
    assert len(list(store.all_templates()[1])) == 5


def test_a_server_that_missed_a_rotation_cannot_use_a_destroyed_key(store: SqlStore) -> None:
    vault = store.vault
    faces(store, 1)
    old = vault.keys.current()
    rotation.adopt(store.database, vault, vault.keys.create())
    rotation.rewrap(store.database, vault, nothing)
    stale = Vault(vault.keys)
    stale._wrapping_key(old)
    rotation.destroy(store.database, vault, old)
    stale.keys = _Stale(old)
    late = type(store).__new__(type(store))
    late.database, late.vault = store.database, stale
    with pytest.raises(StoreUnavailable):
        late.add_subject(new("late"), AUDIT, None, reply)
    assert store.subjects(after="", limit=9) == ["s0"]


class _Stale(FileKeys):
    def __init__(self, key_id: str) -> None:
        self._old = key_id

    def current(self) -> str:
        return self._old


def test_a_wrapped_key_that_was_altered_stops_a_rotation_and_loses_nobody(store: SqlStore) -> None:
    faces(store, 3)
    vault = store.vault
    change(store, "UPDATE subject_key SET wrapped = ? WHERE subject_id = 's1'", b"\1" + bytes(60))
    rotation.adopt(store.database, vault, vault.keys.create())
    with pytest.raises(SealBroken):
        rotation.rewrap(store.database, vault, nothing)
    assert len(store.templates("s0")) == len(store.templates("s2")) == 1


def _packed(subject: str) -> bytes:
    """A template in clear."""
    return new(subject, 9).template.embedding.tobytes()


def _sealed(store: SqlStore) -> list[bytes]:
    with store.database.reading() as connection:
        return [
            bytes(row[0]) for row in connection.rows("SELECT embedding FROM reference ORDER BY reference_id")
        ]


# --- erasure ----------------------------------------------------------------------------------------


def test_a_deletion_destroys_the_key_and_remembers_which(store: SqlStore) -> None:
    faces(store, 2)
    store.add_reference(new("s0", 7), AUDIT, None, reply, max_references=9)
    with store.database.reading() as connection:
        key_id, fingerprint = erasures.key_of(connection, "s0")
    erased = store.delete_subject("s0", AUDIT, None, lambda _: b"")
    assert isinstance(erased, Erased)
    assert (erased.references, erased.key_id, erased.fingerprint) == (2, key_id, fingerprint)
    with store.database.reading() as connection:
        assert erasures.key_of(connection, "s0") == ("", b"")
        assert [one for _, one in erasures.after(connection, 0)] == [erased]
        row = connection.row("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1")
    assert row is not None
    assert fingerprint.hex() in row[0]
    assert len(list(store.all_templates()[1])) == 1
