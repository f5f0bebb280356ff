"""Files of keys: made once, for their owner only, and never half-written."""

from __future__ import annotations

import base64
import json
import os
import threading
from pathlib import Path

import pytest

from govid import Settings
from govid.errors import EncryptionKeyMissing, InvalidSettings
from govid.vault.keys import FileKeys, GivenKeys, id_of, open_keys

KEYS = [bytes([n]) * 32 for n in range(3)]
TEXT = ",".join(base64.b64encode(key).decode() for key in KEYS)


@pytest.fixture
def file(tmp_path: Path) -> FileKeys:
    keys = FileKeys(tmp_path / "keys" / "encryption.json")
    keys.create()
    return keys


def test_the_first_key_is_current_and_others_are_once_promoted(file: FileKeys) -> None:
    first = file.current()
    second = file.create()
    assert (file.current(), file.prepared()) == (first, second)
    seen_before = FileKeys(file.path)
    seen_before.current()
    file.promote(second)
    assert seen_before.current() == second
    assert file.ids() == [second, first]
    assert len(file.key(first)) == 32
    assert id_of(file.key(first)) == first


def test_the_file_is_for_its_owner_and_one_of_many_makers_wins(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "encryption.json"
    made: list[str] = []
    threads = [threading.Thread(target=lambda: made.append(FileKeys(path).create())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.stat().st_mode & 0o777 == 0o600
    assert FileKeys(path).current() in made
    assert [entry.name for entry in path.parent.iterdir()] == ["encryption.json"]


def test_rotations_at_once_lose_no_key_and_end_with_a_current_one(file: FileKeys) -> None:
    made: list[str] = []

    def rotate() -> None:
        keys = FileKeys(file.path)
        for _ in range(10):
            made.append(keys.create())
            keys.promote(made[-1])

    threads = [threading.Thread(target=rotate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 40
    assert file.current() in made
    assert set(made) < set(file.ids())


def test_a_destroyed_key_is_gone_and_says_so(file: FileKeys) -> None:
    first, second = file.current(), file.create()
    text = base64.b64encode(file.key(first)).decode()
    with pytest.raises(InvalidSettings, match="in use"):
        file.destroy(first)
    file.promote(second)
    file.destroy(first)
    assert text not in file.path.read_text()
    assert file.ids() == [second]
    with pytest.raises(EncryptionKeyMissing, match="destroyed"):
        FileKeys(file.path).key(first)


def test_files_that_cannot_be_trusted_are_refused(file: FileKeys) -> None:
    sound = json.loads(file.path.read_text())
    for damaged in (
        "{}",
        "no json",
        json.dumps({"keys": [{**sound["keys"][0], "key": base64.b64encode(bytes(32)).decode()}]}),
        json.dumps({"keys": [{**sound["keys"][0], "key": "AAAA"}]}),
        json.dumps({**sound, "more": 1}),
    ):
        file.path.write_text(damaged)
        with pytest.raises(InvalidSettings) as caught:
            FileKeys(file.path).current()
        assert sound["keys"][0]["key"] not in str(caught.value)
    file.path.write_text(json.dumps(sound))
    file.path.chmod(0o640)
    with pytest.raises(InvalidSettings, match="others may read"):
        FileKeys(file.path).current()
    file.path.unlink()
    with pytest.raises(EncryptionKeyMissing, match="not there"):
        FileKeys(file.path).current()


def test_a_write_that_fails_leaves_the_keys(file: FileKeys) -> None:
    before = file.path.read_bytes()
    if os.geteuid() == 0:
        pytest.skip("root may write anywhere")
    file.path.parent.chmod(0o500)
    with pytest.raises(InvalidSettings):
        file.create()
    file.path.parent.chmod(0o700)
    assert file.path.read_bytes() == before


def test_keys_of_the_environment_have_their_order_and_cannot_be_made() -> None:
    keys = GivenKeys(TEXT)
    assert keys.ids() == [id_of(key) for key in KEYS]
    assert keys.current() == id_of(KEYS[0])
    assert keys.key(id_of(KEYS[2])) == KEYS[2]
    with pytest.raises(EncryptionKeyMissing):
        keys.key("0" * 16)
    for call in (keys.create, lambda: keys.promote("x"), lambda: keys.destroy("x")):
        with pytest.raises(InvalidSettings):
            call()


@pytest.mark.parametrize("text", ["AAAA", "?", f"{TEXT},", base64.b64encode(bytes(33)).decode()])
def test_what_is_no_key_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        GivenKeys(text)
    assert TEXT[:20] not in str(caught.value)


def test_settings_name_one_place_and_never_show_a_key(tmp_path: Path) -> None:
    settings = Settings(encryption_keys=TEXT)
    assert TEXT[:20] not in repr(settings)
    assert isinstance(open_keys(settings), GivenKeys)
    with pytest.raises(InvalidSettings, match="keep one"):
        open_keys(Settings(encryption_keys=TEXT, encryption_keys_file="f"))
    default = open_keys(Settings(data_dir=str(tmp_path)))
    assert default.name == str(tmp_path / "keys" / "encryption.json")
    assert not list(tmp_path.iterdir())
