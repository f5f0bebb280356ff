"""API keys on every store."""

from __future__ import annotations

import time

import pytest

from govid.audit import AuditRecord
from govid.callers import Caller, Scope, Sight
from govid.errors import KeyNameTaken, UnknownKey
from govid.store.audit import AuditFilter, AuditLog
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


def changes(store: SqlStore) -> list[AuditRecord]:
    rows = AuditLog(store.database).rows(AuditFilter(operation="change_api_key"), limit=100)
    return [row.record for row in reversed(rows)]


def test_each_change_of_a_key_is_in_the_audit_and_no_secret_is(store: SqlStore) -> None:
    keys = KeyStore(store.database, login="wang")
    desk = Caller(
        name="desk",
        scopes=frozenset({Scope.VERIFY, Scope.ENROL}),
        use_cases=frozenset({"hotel_checkin"}),
        sees=Sight.COARSE,
    )
    first, kept = keys.create(desk, expires_at=86_400.0 * 365 * 100)
    second, new = keys.rotate("desk", grace_seconds=3600)
    keys.revoke("desk")
    made, rotated, *revoked = changes(store)
    assert made.note == (
        f"key {kept.key_id} of desk; scopes enrol, verify; use cases hotel_checkin; sees coarse;"
        " expires 2069-12-07 00:00 UTC; by the login wang"
    )
    assert (made.outcome, made.caller, rotated.outcome) == ("CREATED", "local", "ROTATED")
    assert rotated.note
    assert rotated.note.startswith(
        f"key {new.key_id} of desk; scopes enrol, verify; use cases hotel_checkin;"
    )
    assert f"instead of {kept.key_id}, until 2" in rotated.note
    assert [(one.outcome, (one.note or "")[:16]) for one in revoked] == [
        ("REVOKED", f"key {kept.key_id}"),
        ("REVOKED", f"key {new.key_id}"),
    ]
    everything = repr(changes(store))
    for shown in (first, second):
        assert shown.rpartition("_")[2] not in everything
    assert kept.digest.hex() not in everything


def test_what_is_refused_changes_no_key_and_leaves_no_row(store: SqlStore) -> None:
    keys = KeyStore(store.database)
    with pytest.raises(UnknownKey):
        keys.rotate("nobody", grace_seconds=1)
    with pytest.raises(UnknownKey):
        keys.revoke("nobody")
    keys.create(Caller(name="desk", scopes=frozenset({Scope.VERIFY}), use_cases=None, sees=Sight.DECISION))
    with pytest.raises(KeyNameTaken):
        keys.create(Caller(name="desk", scopes=frozenset(), use_cases=None, sees=Sight.DECISION))
    (made,) = changes(store)
    assert made.note
    assert "use cases all; sees decision; expires never" in made.note
    assert "login" not in made.note
