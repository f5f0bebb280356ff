"""Receipts of erasures, by which a restored backup loses again whom it brought back."""

from __future__ import annotations

import fcntl
import json
import shutil
import threading
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from govid.cli import cli
from govid.errors import InvalidReceipt, StoreUnavailable
from govid.ledger import erasures
from govid.ledger.signing import Signer, load_signer
from govid.store import Stored
from govid.store.erasures import Erased
from govid.store.sqlite import SqliteStore
from govid.vault.journal import Again, ErasureJournal, read, replay, to_enrol
from tests.govid.store.support import AUDIT, new, reply


def test_a_line_that_another_process_writes_is_waited_for_and_not_cut_off(
    tmp_path: Path, signer: Signer
) -> None:
    store = enrolled(tmp_path, "a", "b")
    path = tmp_path / "erasures.jws"
    erase(store, "a")
    ErasureJournal(path, store.database, lambda: signer).catch_up()
    (line,) = path.read_text().splitlines()
    path.write_text("")
    erase(store, "b")
    late = threading.Thread(target=ErasureJournal(path, store.database, lambda: signer).catch_up)
    with path.open("a") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        other.write(line[:9])
        other.flush()
        late.start()
        late.join(0.3)
        other.write(f"{line[9:]}\n")
    late.join()
    found = read(path, signer.verifier)
    store.close()
    assert [one.subject for one in found] == [signer.pseudonym(name) for name in ("a", "a", "b")]


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    return load_signer(tmp_path / "keys" / "signing.pem")


def enrolled(folder: Path, *subjects: str) -> SqliteStore:
    store = SqliteStore(folder / "govid.sqlite3")
    for number, subject in enumerate(subjects):
        store.add_subject(new(subject, number), AUDIT, None, reply)
    return store


def erase(store: SqliteStore, subject: str) -> None:
    store.delete_subject(subject, AUDIT, None, lambda _: b"")


def test_a_restored_backup_loses_again_whom_it_brought_back(tmp_path: Path, signer: Signer) -> None:
    store = enrolled(tmp_path, "gone", "stays", "returned")
    store.close()
    shutil.copy(tmp_path / "govid.sqlite3", tmp_path / "backup")
    store = SqliteStore(tmp_path / "govid.sqlite3")
    journal = ErasureJournal(tmp_path / "erasures.jws", store.database, lambda: signer)
    erase(store, "gone")
    erase(store, "returned")
    journal.catch_up()
    journal.catch_up()
    store.add_subject(new("returned", 9), AUDIT, None, reply)
    journal.check()
    receipts = read(tmp_path / "erasures.jws", signer.verifier)
    assert [one.subject for one in receipts] == [signer.pseudonym("gone"), signer.pseudonym("returned")]
    assert replay(store, receipts) == []  # who was enrolled anew stays
    store.close()

    for file in tmp_path.glob("govid.sqlite3*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", tmp_path / "govid.sqlite3")
    restored = SqliteStore(tmp_path / "govid.sqlite3")
    assert restored.subjects(after="", limit=9) == ["gone", "returned", "stays"]
    late = ErasureJournal(tmp_path / "erasures.jws", restored.database, lambda: signer)
    late.catch_up()
    with pytest.raises(StoreUnavailable, match="2 subjects"):
        late.check()
    assert sorted(replay(restored, receipts)) == [Again("gone"), Again("returned")]
    assert restored.subjects(after="", limit=9) == ["stays"]
    late.check()
    # The erasures of the restored store are those that the file has already.
    ErasureJournal(tmp_path / "erasures.jws", restored.database, lambda: signer).catch_up()
    assert read(tmp_path / "erasures.jws", signer.verifier) == receipts
    restored.close()


def test_a_restored_backup_loses_again_the_reference_it_brought_back(tmp_path: Path, signer: Signer) -> None:
    """And nothing that was enrolled under the number of one that the backup never had."""
    database, path = tmp_path / "govid.sqlite3", tmp_path / "erasures.jws"
    store = enrolled(tmp_path, "two", "one")
    (first,) = store.templates_of("one")
    second = add(store, "two", 7)
    store.close()
    shutil.copy(database, tmp_path / "backup")
    store = SqliteStore(database)
    journal = ErasureJournal(path, store.database, lambda: signer)
    add(store, "one", 8)
    later = add(store, "two", 9)
    for subject, reference_id in (("two", second), ("two", later), ("one", first)):
        store.delete_reference(subject, reference_id, AUDIT, None, lambda _: b"")
    journal.catch_up()
    journal.check()
    receipts = read(path, signer.verifier)
    assert [one.reference for one in receipts] == [second, later, first]
    assert replay(store, receipts) == []
    store.close()

    for file in tmp_path.glob("govid.sqlite3*"):
        file.unlink()
    shutil.copy(tmp_path / "backup", database)
    restored = SqliteStore(database)
    late = ErasureJournal(path, restored.database, lambda: signer)
    late.catch_up()
    with pytest.raises(StoreUnavailable, match="2 subjects or references"):
        late.check()
    # Of one of them the backup has no other reference: it has to be enrolled anew.
    again = replay(restored, receipts)
    assert sorted(again) == [Again("one", first, last=True), Again("two", second)]
    assert to_enrol(again) == ["one"]
    assert len(restored.templates_of("two")) == 1
    numbers = [add(restored, "two", 20 + n) for n in range(2)]
    assert later in numbers
    late.catch_up()
    late.check()
    assert replay(restored, receipts) == []
    restored.close()


def test_who_went_with_a_last_reference_stays_in_a_newer_backup_that_has_another(
    tmp_path: Path, signer: Signer
) -> None:
    """The first restore notes nothing in the file by which a second one erased the citizen for ever."""
    database, path = tmp_path / "govid.sqlite3", tmp_path / "erasures.jws"
    store = enrolled(tmp_path, "a", "whole")
    first, also = (next(iter(store.templates_of(name))) for name in ("a", "whole"))

    def copied(name: str) -> None:
        nonlocal store
        store.close()
        shutil.copy(database, tmp_path / name)
        store = SqliteStore(database)

    def restored(name: str) -> list[Again]:
        nonlocal store
        store.close()
        for file in tmp_path.glob("govid.sqlite3*"):
            file.unlink()
        shutil.copy(tmp_path / name, database)
        store = SqliteStore(database)
        journal = ErasureJournal(path, store.database, lambda: signer)
        back = replay(store, read(path, signer.verifier))
        journal.catch_up()
        journal.check()
        return back

    copied("older")
    second = add(store, "a", 7)
    add(store, "whole", 8)
    copied("newer")
    for subject, reference_id in (("a", first), ("whole", also)):
        store.delete_reference(subject, reference_id, AUDIT, None, lambda _: b"")
    erase(store, "whole")
    ErasureJournal(path, store.database, lambda: signer).catch_up()
    written = path.read_bytes()
    back = restored("older")
    assert sorted(back) == [Again("a", first, last=True), Again("whole")]
    assert to_enrol(back) == ["a"], "the other was erased as a whole, later"
    with store.database.reading() as connection:
        rows = connection.rows("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1")
    record = json.loads(rows[0][0])
    assert (record["subject_id"], "reference_id" in record, "data_key" in record) == ("a", False, True)
    assert path.read_bytes() == written
    assert sorted(restored("newer")) == [Again("a", first), Again("whole")]
    assert list(store.templates_of("a")) == [second]
    store.close()


def test_the_command_names_who_has_to_be_enrolled_again(tmp_path: Path) -> None:
    database = tmp_path / "govid.sqlite3"
    signer = load_signer(tmp_path / "keys" / "signing.pem")
    store = enrolled(tmp_path, "a")
    (first,) = store.templates_of("a")
    store.close()
    shutil.copy(database, tmp_path / "backup")
    store = SqliteStore(database)
    add(store, "a", 7)
    store.delete_reference("a", first, AUDIT, None, lambda _: b"")
    ErasureJournal(tmp_path / "keys" / "erasures.jws", store.database, lambda: signer).catch_up()
    store.close()
    shutil.copy(tmp_path / "backup", database)
    result = CliRunner().invoke(cli, ["--data-dir", str(tmp_path), "vault", "replay"])
    assert result.exit_code == 0, result.output
    assert "1 of 1 erased" in result.output
    assert "enrol again 'a'" in result.output


def test_a_receipt_of_one_kind_of_erasure_is_none_of_the_other(tmp_path: Path, signer: Signer) -> None:
    """A reader from before single references takes no receipt of one for the subject's."""
    store = enrolled(tmp_path, "a")
    one = store.delete_reference("a", add(store, "a", 7), AUDIT, None, lambda _: b"")
    all_of_it = store.delete_subject("a", AUDIT, None, lambda _: b"")
    assert isinstance(one, Erased)
    assert isinstance(all_of_it, Erased)
    for erased, kind, other in (
        (one, erasures.REFERENCE_KIND, erasures.KIND),
        (all_of_it, erasures.KIND, erasures.REFERENCE_KIND),
    ):
        token = erasures.issue(signer, erased)
        found = erasures.read(signer.verifier, token)
        assert found.mark == erased.mark
        signer.verifier.verify(kind, token)
        with pytest.raises(InvalidReceipt, match="another kind"):
            signer.verifier.verify(other, token)
        with pytest.raises(InvalidReceipt, match="another kind"):
            erasures.read(signer.verifier, signer.sign(other, found))
    for half in ({"reference": None}, {"enrolled_at": None}):
        claims = msgspec.structs.replace(erasures.read(signer.verifier, erasures.issue(signer, one)), **half)
        with pytest.raises(InvalidReceipt):
            erasures.read(signer.verifier, signer.sign(erasures.REFERENCE_KIND, claims))
    for token in ("", "a.b.c", "W10.e30.x", "bnVsbA.e30.x"):
        with pytest.raises(InvalidReceipt):
            erasures.read(signer.verifier, token)
    store.close()


def add(store: SqliteStore, subject: str, seed: int) -> int:
    made = store.add_reference(new(subject, seed), AUDIT, None, reply, max_references=9)
    assert isinstance(made, Stored)
    return made.reference.reference_id


def test_a_line_that_a_crash_cut_off_is_written_again(tmp_path: Path, signer: Signer) -> None:
    path, store = tmp_path / "erasures.jws", enrolled(tmp_path, "a", "b")
    erase(store, "a")
    ErasureJournal(path, store.database, lambda: signer).catch_up()
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    assert read(path, signer.verifier) == []
    erase(store, "b")
    ErasureJournal(path, store.database, lambda: signer).catch_up()
    assert len(read(path, signer.verifier)) == 2
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()


def test_of_two_processes_one_writes_what_either_erased(tmp_path: Path, signer: Signer) -> None:
    path, store = tmp_path / "erasures.jws", enrolled(tmp_path, "a", "b", "c")
    ours, theirs = (ErasureJournal(path, store.database, lambda: signer) for _ in range(2))
    for subject, quick, slow in (("a", ours, theirs), ("b", theirs, ours), ("c", ours, theirs)):
        erase(store, subject)
        quick.write()
        slow.write()
    written = [receipt.mark for receipt in read(path, signer.verifier)]
    assert len(written) == len(set(written)) == 3
    store.close()


def test_a_forged_line_erases_nobody(tmp_path: Path, signer: Signer) -> None:
    path, store = tmp_path / "erasures.jws", enrolled(tmp_path, "a")
    erase(store, "a")
    ErasureJournal(path, store.database, lambda: signer).catch_up()
    other = load_signer(tmp_path / "other" / "signing.pem")
    with pytest.raises(InvalidReceipt, match="line 1"):
        read(path, other.verifier)
    store.close()


def test_a_journal_that_cannot_be_written_stops_no_erasure(
    tmp_path: Path, signer: Signer, caplog: pytest.LogCaptureFixture
) -> None:
    store = enrolled(tmp_path, "a")
    erase(store, "a")
    (tmp_path / "file").touch()
    ErasureJournal(tmp_path / "file" / "erasures.jws", store.database, lambda: signer).catch_up()
    assert "lacks erasures" in caplog.text
    store.close()


def test_the_commands_rotate_destroy_replay_and_verify(tmp_path: Path) -> None:
    folder = tmp_path / "var"
    signer = load_signer(folder / "keys" / "signing.pem")
    store = enrolled(folder, "a", "b")
    erased = store.delete_subject("a", AUDIT, None, lambda _: b"")
    assert not isinstance(erased, bytes)
    ErasureJournal(folder / "keys" / "erasures.jws", store.database, lambda: signer).catch_up()
    store.close()

    def run(*arguments: str, code: int = 0) -> dict[str, object]:
        result = CliRunner().invoke(cli, ["--data-dir", str(folder), "vault", *arguments, "--json"])
        assert result.exit_code == code, result.output
        return dict(json.loads(result.output)) if result.output else {}

    (old,) = run("status")["subjects_by_key"]  # type: ignore[misc]
    prepared = run("rotate", "--prepare")["prepared"]
    assert run("status")["current_key"] == old
    assert run("rotate") == {"wrapped": 1, "current_key": prepared}
    status = run("status")
    assert (status["subjects_by_key"], status["unused_keys"]) == ({prepared: 1}, [old])
    run("destroy", str(old))
    assert run("encrypt") == {"sealed": 0}
    assert run("replay") == {"erased": [], "references": [], "to_enrol": []}
    (tmp_path / "receipt").write_text(erasures.issue(signer, erased) + "\n")  # type: ignore[arg-type]
    (tmp_path / "keys.json").write_text(json.dumps(signer.verifier.jwks()))
    shown = run("verify-receipt", str(tmp_path / "receipt"), "--keys", str(tmp_path / "keys.json"))
    assert (shown["references"], shown["subject"]) == (1, signer.pseudonym("a"))
    (tmp_path / "receipt").write_text("no receipt")
    run("verify-receipt", str(tmp_path / "receipt"), "--keys", str(tmp_path / "keys.json"), code=1)
