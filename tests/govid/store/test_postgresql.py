"""What PostgreSQL alone does."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from govid.errors import InvalidParameter, InvalidSettings, StorageFull, StoreUnavailable
from govid.store import Idempotency, pool, schema
from govid.store.postgresql import PostgresqlDatabase, PostgresqlStore
from tests.govid.store.support import AUDIT, VAULT, new, reply
from tests.postgresql import PASSWORD, PostgresqlServer
from tests.support import PATIENCE_SECONDS, wait_until


@pytest.fixture
def url(postgresql: PostgresqlServer) -> str:
    return postgresql.new_database()


@pytest.fixture
def store(url: str) -> Iterator[PostgresqlStore]:
    store = PostgresqlStore(url, VAULT, connections=2)
    yield store
    store.close()


def administer(url: str, *statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def disconnect(url: str) -> None:
    """End all other connections to the database, as a restart of the server does."""
    administer(
        url,
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )


def setting(store: PostgresqlStore, name: str) -> str:
    with store.database.reading() as connection:
        row = connection.row("SELECT current_setting(?)", (name,))
    assert row is not None
    return str(row[0])


# --- connections -----------------------------------------------------------------------------------


def test_idle_connections_that_died_are_replaced_unseen(store: PostgresqlStore, url: str) -> None:
    store.add_subject(new("a"), AUDIT, None, reply)
    disconnect(url)
    store.add_subject(new("b"), AUDIT, None, reply)
    assert store.counts().subjects == 2


def test_a_connection_lost_inside_a_transaction_leaves_nothing(store: PostgresqlStore, url: str) -> None:
    def cut(*_: object) -> bytes:
        disconnect(url)
        return b""

    with pytest.raises(StoreUnavailable, match=store.database.name):
        store.add_subject(new("a"), AUDIT, Idempotency("k", "d"), cut)
    assert store.counts().subjects == store.counts().audit_records == 0


def test_one_connection_too_many_is_refused_in_bounded_time(
    store: PostgresqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "WAIT_SECONDS", 0.05)
    with (
        store.database.reading(),
        store.database.reading(),
        pytest.raises(StoreUnavailable, match="all 2 connections were in use"),
    ):
        store.counts()
    store.counts()


def test_who_waits_for_a_connection_gets_it(store: PostgresqlStore) -> None:
    with store.database.reading(), store.database.reading():
        waiting = threading.Thread(target=store.counts)
        waiting.start()
    waiting.join(timeout=30)
    assert not waiting.is_alive()


def test_whoever_waited_longest_is_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """And not who gives a place back and takes it again at once: a busy server would starve the others."""
    monkeypatch.setattr(pool, "WAIT_SECONDS", PATIENCE_SECONDS)
    places, order = pool._Places(1), list[str]()

    def take(who: str) -> None:
        places.take()
        order.append(who)
        places.give_back()

    places.take()
    waiting = threading.Thread(target=take, args=("who waited",))
    waiting.start()
    wait_until(lambda: places._waiting)
    places.give_back()
    take("who came back")
    waiting.join()
    assert order == ["who waited", "who came back"]


def test_a_server_that_is_not_there_is_named_without_the_password(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable) as caught:
        PostgresqlStore(f"postgresql://govid:{PASSWORD}@127.0.0.1:1/records", VAULT)
    assert "postgresql://govid@127.0.0.1:1/records" in caught.value.detail
    assert PASSWORD not in caught.value.detail


def test_a_wrong_password_is_said_and_not_shown(url: str) -> None:
    with pytest.raises(StoreUnavailable, match="authentication failed") as caught:
        PostgresqlStore(url.replace(PASSWORD, "wr0ng"), VAULT)
    assert "wr0ng" not in caught.value.detail


@pytest.mark.parametrize(
    "address",
    [f"{PASSWORD}@@[half", f"{PASSWORD}%zz@host/x", f"half@{PASSWORD}@host/x", f"{PASSWORD}@h?{PASSWORD}"],
)
def test_what_is_no_url_is_refused_without_repeating_it(address: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        PostgresqlStore(f"postgresql://govid:{address}", VAULT)
    assert PASSWORD not in caught.value.detail


def test_a_commit_is_on_disk_whatever_the_role_says(url: str) -> None:
    administer(
        url, f"ALTER DATABASE {psycopg.conninfo.conninfo_to_dict(url)['dbname']} SET synchronous_commit = off"
    )
    store = PostgresqlStore(f"{url}&options=-c%20statement_timeout%3D1234", VAULT)
    assert setting(store, "synchronous_commit") == "on"
    assert setting(store, "statement_timeout") == "1234ms"
    assert setting(store, "idle_in_transaction_session_timeout") == "1min"
    store.close()


def test_a_lock_that_is_never_given_back_is_not_waited_for_without_end(
    store: PostgresqlStore, url: str
) -> None:
    hasty = PostgresqlStore(url, VAULT)
    with hasty.database.reading() as connection:  # of this one connection, which does not outlive its error
        connection.execute("SET statement_timeout = 100")
    with store.database.writing() as connection:
        connection.exclusive("gallery_change")
        with pytest.raises(StoreUnavailable, match="statement timeout"):
            hasty.add_subject(new("a"), AUDIT, None, reply)
    hasty.add_subject(new("a"), AUDIT, None, reply)
    hasty.close()


def test_a_failed_statement_that_somebody_caught_commits_nothing(store: PostgresqlStore) -> None:
    def write() -> None:
        with store.database.writing() as connection:
            connection.execute("INSERT INTO audit (record) VALUES ('x')")
            with suppress(psycopg.Error):
                connection.execute("SELECT 1 / 0")

    with pytest.raises(StoreUnavailable, match="ROLLBACK"):
        write()
    assert store.counts().audit_records == 0


def test_a_text_that_postgresql_cannot_hold_is_the_callers_fault(store: PostgresqlStore) -> None:
    with pytest.raises(InvalidParameter, match="NUL"):
        store.subjects(after="a\0b", limit=9)
    assert store.subjects(after="", limit=9) == []


def test_an_error_quotes_no_row(store: PostgresqlStore) -> None:
    with pytest.raises(StoreUnavailable) as caught, store.database.writing() as connection:
        connection.execute("INSERT INTO reference (subject_id, model_id) VALUES ('alice', 'm')")
    assert "embedding" in caught.value.detail
    assert "alice" not in caught.value.detail
    assert caught.value.__suppress_context__


# --- schema ----------------------------------------------------------------------------------------


def test_an_older_schema_is_brought_forward(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    newest = schema.MIGRATIONS
    with monkeypatch.context() as patch:
        patch.setattr(schema, "MIGRATIONS", newest[:1])
        with pytest.raises(StoreUnavailable, match="store_identity"):
            PostgresqlStore(url, VAULT)  # the tables are there, and today's code needs more
    administer(url, "INSERT INTO subject VALUES ('a', 0)")
    store = PostgresqlStore(url, VAULT)
    assert store.subjects(after="", limit=9) == ["a"]
    with store.database.reading() as connection:
        assert connection.rows("SELECT version FROM govid_schema") == [(len(newest),)]
    store.close()


def test_a_schema_of_a_newer_govid_is_left_alone(store: PostgresqlStore, url: str) -> None:
    administer(url, "UPDATE govid_schema SET version = 999")
    with pytest.raises(StoreUnavailable, match="newer govid"):
        PostgresqlStore(url, VAULT)


def test_a_role_that_may_not_create_tables_can_use_them(store: PostgresqlStore, url: str) -> None:
    administer(
        url,
        "DROP ROLE IF EXISTS clerk",
        "CREATE ROLE clerk LOGIN PASSWORD 'clerk'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO clerk",
    )
    clerk = PostgresqlStore(url.replace(f"govid:{PASSWORD}", "clerk:clerk"), VAULT)
    clerk.add_subject(new("a"), AUDIT, None, reply)
    assert store.counts().subjects == 1
    clerk.close()
    administer(url, "DROP OWNED BY clerk", "DROP ROLE clerk")


def test_a_table_that_its_role_may_not_write_anew_is_said(store: PostgresqlStore, url: str) -> None:
    administer(
        url,
        "DROP ROLE IF EXISTS sweeper",
        "CREATE ROLE sweeper LOGIN PASSWORD 'sweeper'",
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO sweeper",
    )
    store.database.rewrite("reference")
    sweeper = PostgresqlDatabase(url.replace(f"govid:{PASSWORD}", "sweeper:sweeper"))
    with pytest.raises(StoreUnavailable, match="reference"):
        sweeper.rewrite("reference")
    sweeper.close()
    administer(url, "DROP OWNED BY sweeper", "DROP ROLE sweeper")


def test_a_database_of_another_encoding_is_refused(postgresql: PostgresqlServer) -> None:
    administer(
        postgresql.url(),
        "CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    )
    with pytest.raises(StoreUnavailable, match="LATIN1"):
        PostgresqlDatabase(postgresql.url("latin"))


# --- the disk --------------------------------------------------------------------------------------


def test_a_full_disk_refuses_writes_and_goes_on_reading(
    postgresql: PostgresqlServer, small_disk: Path
) -> None:
    shutil.chown(small_disk, "postgres")
    administer(
        postgresql.url(),
        f"CREATE TABLESPACE small LOCATION '{small_disk}'",
        "CREATE DATABASE small TABLESPACE small STRATEGY file_copy",
    )
    store = PostgresqlStore(postgresql.url("small"), VAULT)
    try:
        store.add_subject(new("a"), AUDIT, None, reply)
        left = shutil.disk_usage(small_disk).free
        (small_disk / "filler").write_bytes(bytes(left))

        def fill() -> None:
            for number in range(1000):
                store.add_subject(new(f"full-{number}"), AUDIT, None, reply)

        with pytest.raises(StorageFull, match="No space left"):
            fill()
        assert store.references("a")
        (small_disk / "filler").unlink()
        store.add_subject(new("after"), AUDIT, None, reply)
    finally:
        store.close()
        administer(postgresql.url(), "DROP DATABASE small WITH (FORCE)", "DROP TABLESPACE small")
