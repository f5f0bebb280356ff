"""API keys on every store."""

from __future__ import annotations

import time

import pytest

from govid.callers import Caller, Scope, Sight
from govid.errors import KeyNameTaken, UnknownKey
from govid.store.keys import KeyStore
from govid.store.records import SqlStore


def test_a_key_lives_in_every_store(store: SqlStore) -> None:
    keys = KeyStore(store.database)
    hotel = Caller(
        name="hotel",
        scopes=frozenset({Scope.VERIFY, Scope.AUDIT}),
        use_cases=frozenset({"hotel_checkin"}),
        sees=Sight.COARSE,
    )
    shown, kept = keys.create(hotel, expires_at=time.time() + 1000)
    with pytest.raises(KeyNameTaken):
        keys.create(hotel)
    (found,) = keys.all()
    assert (found.caller, found.state) == (hotel, "active")
    assert found.opened_by(shown)
    keys.used({kept.key_id: 5.0})
    _, second = keys.rotate("hotel", grace_seconds=100)
    assert [(key.last_used_at, key.caller) for key in keys.all()] == [(5.0, hotel), (None, hotel)]
    assert [key.key_id for key in keys.revoke(second.key_id)] == [second.key_id]
    assert sorted(key.state for key in keys.all()) == ["active", "revoked"]
    with pytest.raises(UnknownKey):
        keys.revoke("nobody")
