"""API keys in the records and on the command line."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from govid import keys
from govid.callers import Caller, Scope, Sight
from govid.errors import KeyNameTaken, UnknownKey
from govid.store.keys import KeyStore
from govid.store.sqlite import SqliteStore
from tests import support
from tests.govid.test_cli import govid

HOTEL = Caller(name="hotel", scopes=frozenset({Scope.VERIFY}), use_cases=frozenset({"hotel_checkin"}))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[KeyStore]:
    records = SqliteStore(tmp_path / "govid.sqlite3")
    yield KeyStore(records.database)
    records.close()


def test_a_key_opens_its_record_and_no_other(store: KeyStore) -> None:
    key, kept = store.create(HOTEL)
    other, _ = store.create(Caller(name="bank", scopes=frozenset(Scope), sees=Sight.EXACT))
    assert [one.caller for one in store.all()] == [HOTEL, store.all()[1].caller]
    assert keys.id_of(key) == kept.key_id
    assert kept.opened_by(key)
    assert not kept.opened_by(other)
    assert len(key) == 83
    assert key.encode() not in kept.digest


@pytest.mark.parametrize("text", ["", "govid_", "x" * 83, "govid_" + "0" * 78])
def test_what_is_no_key_has_no_id(text: str) -> None:
    assert keys.id_of(text) is None


def test_a_party_has_one_key_until_it_is_rotated(store: KeyStore) -> None:
    old, _ = store.create(HOTEL, expires_at=time.time() + 1000)
    with pytest.raises(KeyNameTaken):
        store.create(HOTEL)
    new, _ = store.rotate("hotel", grace_seconds=100)
    first, second = store.all()
    assert first.opened_by(old)
    assert second.opened_by(new)
    assert first.expires_at == pytest.approx(time.time() + 100, abs=50)
    assert second.expires_at == pytest.approx(time.time() + 1000, abs=50)
    assert second.caller == HOTEL
    store.revoke(second.key_id)
    assert [key.state for key in store.all()] == ["active", "revoked"]
    store.revoke("hotel")
    with pytest.raises(UnknownKey):
        store.revoke("hotel")
    with pytest.raises(UnknownKey):
        store.rotate("hotel", grace_seconds=1)
    store.create(HOTEL)


def test_an_expired_key_opens_nothing(store: KeyStore) -> None:
    key, kept = store.create(HOTEL, expires_at=time.time() - 1)
    assert kept.state == "expired"
    assert not kept.opened_by(key)


def test_the_last_use_is_kept(store: KeyStore) -> None:
    _, kept = store.create(HOTEL)
    store.used({kept.key_id: 5.0, "unknown": 6.0})
    assert [key.last_used_at for key in store.all()] == [5.0]


@pytest.mark.parametrize(
    "arguments",
    [
        ("hotel",),
        ("hotel", "--scope", "root"),
        ("hotel", "--scope", "verify", "--use-case", "anything"),
        ("hotel", "--scope", "verify", "--expires", "0"),
        ("local", "--scope", "verify"),
        ("a b", "--scope", "verify"),
        ("a:b", "--scope", "verify"),
    ],
)
def test_a_key_that_makes_no_sense_is_not_made(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert govid(tmp_path, "keys", "create", *arguments).returncode == 2


def test_a_key_may_be_held_to_a_use_case_of_the_operators(tmp_path: Path) -> None:
    support.use_case(tmp_path, "ours")
    made = govid(tmp_path, "keys", "create", "hotel", "--scope", "verify", "--use-case", "ours", "--json")
    assert json.loads(made.stdout)["use_cases"] == ["ours"]


def test_the_command_line_shows_a_key_once(tmp_path: Path) -> None:
    made = govid(tmp_path, "keys", "create", "hotel", "--scope", "verify")
    key = made.stdout.splitlines()[0]
    assert keys.id_of(key)
    assert "not shown again" in made.stdout
    listed = govid(tmp_path, "keys", "list").stdout
    assert "hotel" in listed
    assert key[19:] not in listed
    taken = govid(tmp_path, "keys", "create", "hotel", "--scope", "verify")
    assert taken.returncode == 3
    assert taken.stderr.startswith("govid: key-name-taken: ")
