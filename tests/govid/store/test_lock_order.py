"""Erasing what is past its time, beside somebody who erases the same rows: nobody waits in a circle."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from govid import Settings
from govid.ledger.signing import load_signer
from govid.lockout import Attempt, Attempts, LockoutRule
from govid.retention import Keeper
from govid.store import Idempotency, attempts
from govid.store.database import Connection
from govid.store.photos import KeptPhoto
from govid.store.postgresql import PostgresqlStore
from govid.store.records import remember
from govid.use_cases import UseCases
from tests.govid.store.support import AUDIT, VAULT, lived, locked_out, new, reply
from tests.postgresql import PostgresqlServer
from tests.support import wait_until


def photo(store: PostgresqlStore) -> None:
    kept = KeptPhoto("image/jpeg", b"a face", time.time())
    store.add_subject(replace(new("a"), photo=kept), AUDIT, None, reply)


def kept_reply(store: PostgresqlStore) -> None:
    store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), reply)
    with store.database.writing() as connection:
        connection.execute("UPDATE idempotency SET created_at = 0")


def attempt(store: PostgresqlStore) -> None:
    store.append_audit(AUDIT, Attempt(Attempts("a", "", LockoutRule(9, 0.001, 0.001)), failed=True))


def delete(connection: Connection) -> None:
    connection.execute("DELETE FROM subject")


def keep_another(connection: Connection) -> None:
    remember(connection, Idempotency("other", "d"), lambda: b"")


def forget(connection: Connection) -> None:
    attempts.forget(connection, "a")


@pytest.mark.parametrize(
    ("lock", "seed", "erase", "table"),
    [
        ("gallery_change", photo, delete, "photo"),
        ("audit", kept_reply, keep_another, "idempotency"),
        ("failed_attempts", attempt, forget, "failed_attempts"),
    ],
)
def test_whoever_erases_the_same_rows_is_waited_for_before_any_is_touched(
    lock: str,
    seed: Callable[[PostgresqlStore], None],
    erase: Callable[[Connection], None],
    table: str,
    postgresql: PostgresqlServer,
    tmp_path: Path,
) -> None:
    store = PostgresqlStore(postgresql.new_database(), VAULT)
    seed(store)
    signer = load_signer(tmp_path / "keys" / "signing.pem")
    keeper = Keeper(
        store.database,
        Settings(),
        UseCases(tmp_path / "use_cases"),
        lambda: signer,
        clock=lambda: time.time() + 10,
    )
    lived(store, time.time())
    errors: list[Exception] = []

    def run() -> None:
        try:
            keeper.run()
        except Exception as error:  # noqa: BLE001 - told below
            errors.append(error)

    retention = threading.Thread(target=run)
    with store.database.writing() as connection:
        connection.exclusive(lock)
        retention.start()
        wait_until(lambda: not retention.is_alive() or locked_out(store))
        there = _count(store, table)
        erase(connection)
    retention.join()
    left = _count(store, table)
    store.close()
    assert (there, errors, left) == (1, [], int(table == "idempotency"))


def _count(store: PostgresqlStore, table: str) -> int:
    with store.database.reading() as connection:
        return len(connection.rows(f"SELECT * FROM {table}"))
