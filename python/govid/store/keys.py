"""API keys and the relying parties that hold them."""

from __future__ import annotations

import time
from collections.abc import Mapping

from govid import keys
from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL, Caller, Scope, Sight
from govid.errors import KeyNameTaken, UnknownKey
from govid.keys import ApiKey
from govid.store.audit import append
from govid.store.database import Connection, Database, Row

_COLUMNS = "key_id, digest, name, scopes, use_cases, sees, created_at, expires_at, revoked_at, last_used_at"


class KeyStore:
    """The keys in a database. A party is known by its name; rotation gives it a second key for a while.

    Who may ask what is a power over the registry as well: each change of it is in the audit.
    """

    def __init__(self, database: Database, *, login: str = "") -> None:
        """
        Args:
            login: who makes changes, as far as this machine knows; for the audit.
        """
        self._database, self._login = database, login

    def all(self) -> list[ApiKey]:
        """All keys, oldest first, those that are no longer valid, too."""
        with self._database.reading() as connection:
            return _keys(connection)

    def create(self, caller: Caller, *, expires_at: float | None = None) -> tuple[str, ApiKey]:
        """A new party's key, to be shown once, and what is kept of it; raises KeyNameTaken."""
        with self._database.writing() as connection:
            connection.exclusive("api_key")
            if any(key.caller.name == caller.name and key.state == "active" for key in _keys(connection)):
                raise KeyNameTaken(caller.name)
            shown, key = _insert(connection, caller, expires_at)
            self._audit(connection, "CREATED", key)
            return shown, key

    def rotate(self, name: str, *, grace_seconds: float) -> tuple[str, ApiKey]:
        """A second key with the rights of the newest; the others end after the grace. Raises UnknownKey."""
        with self._database.writing() as connection:
            connection.exclusive("api_key")
            *_, newest = before = _active(connection, name)
            ends = time.time() + grace_seconds
            connection.execute(
                "UPDATE api_key SET expires_at = ? WHERE name = ? AND revoked_at IS NULL"
                " AND (expires_at IS NULL OR expires_at > ?)",
                (ends, name, ends),
            )
            lifetime = None if newest.expires_at is None else newest.expires_at - newest.created_at
            until = None if lifetime is None else time.time() + lifetime
            shown, key = _insert(connection, newest.caller, until)
            replaced = ", ".join(one.key_id for one in before)
            self._audit(connection, "ROTATED", key, f"instead of {replaced}, until {_day(ends)} at most")
            return shown, key

    def revoke(self, name_or_id: str) -> list[ApiKey]:
        """End one key by its id, or all of a party by its name, at once; raises UnknownKey."""
        with self._database.writing() as connection:
            ended = _active(connection, name_or_id)
            for key in ended:
                connection.execute(
                    "UPDATE api_key SET revoked_at = ? WHERE key_id = ?", (time.time(), key.key_id)
                )
                self._audit(connection, "REVOKED", key)
            return ended

    def used(self, times: Mapping[str, float]) -> None:
        """Keep the time of last use of each key id."""
        with self._database.writing() as connection:
            connection.execute_many(
                "UPDATE api_key SET last_used_at = ? WHERE key_id = ?",
                [(used_at, key_id) for key_id, used_at in sorted(times.items())],
            )

    def _audit(self, connection: Connection, outcome: str, key: ApiKey, *more: str) -> None:
        caller = key.caller
        said = (
            f"key {key.key_id} of {caller.name}",
            f"scopes {', '.join(sorted(caller.scopes))}",
            f"use cases {'all' if caller.use_cases is None else ', '.join(sorted(caller.use_cases))}",
            f"sees {caller.sees}",
            f"expires {'never' if key.expires_at is None else _day(key.expires_at)}",
            *more,
            *([f"by the login {self._login}"] if self._login else []),
        )
        record = AuditRecord(
            time=time.time(),
            request_id=new_request_id(),
            caller=LOCAL.name,
            operation="change_api_key",
            outcome=outcome,
            note="; ".join(said),
        )
        append(connection, record)


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(seconds))


def _insert(connection: Connection, caller: Caller, expires_at: float | None) -> tuple[str, ApiKey]:
    shown, key = keys.make(caller, expires_at=expires_at)
    connection.execute(
        f"INSERT INTO api_key ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
        (
            key.key_id,
            key.digest,
            caller.name,
            " ".join(sorted(caller.scopes)),
            None if caller.use_cases is None else " ".join(sorted(caller.use_cases)),
            caller.sees,
            key.created_at,
            expires_at,
        ),
    )
    return shown, key


def _active(connection: Connection, name_or_id: str) -> list[ApiKey]:
    found = [
        key
        for key in _keys(connection)
        if name_or_id in {key.caller.name, key.key_id} and key.state == "active"
    ]
    if not found:
        raise UnknownKey(name_or_id)
    return found


def _keys(connection: Connection) -> list[ApiKey]:
    rows = connection.rows(f"SELECT {_COLUMNS} FROM api_key ORDER BY created_at, key_id")
    return [_key(row) for row in rows]


def _key(row: Row) -> ApiKey:
    key_id, digest, name, scopes, use_cases, sees, created_at, expires_at, revoked_at, last_used_at = row
    caller = Caller(
        name=name,
        scopes=frozenset(map(Scope, scopes.split())),
        use_cases=None if use_cases is None else frozenset(use_cases.split()),
        sees=Sight(sees),
    )
    return ApiKey(key_id, bytes(digest), caller, created_at, expires_at, revoked_at, last_used_at)
