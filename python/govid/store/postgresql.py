"""The record store for several machines: PostgreSQL, by psycopg 3.

Each write is one transaction at READ COMMITTED; where two could disturb each other they take a named lock
(``exclusive``), so that none has to be repeated. A connection lost during a commit leaves the caller not
knowing: an idempotency key makes it safe to ask again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from govid.errors import InvalidParameter, InvalidSettings, StorageFull, StoreUnavailable
from govid.store import pool
from govid.store.database import Row, Value, closed_on_error
from govid.store.records import SqlStore
from govid.store.schema import migrate
from govid.vault.vault import Vault

CONNECTIONS = 8
_ROWS_AT_ONCE = 2000
_WORDS: Mapping[str, str] = MappingProxyType(
    {
        "serial": "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
        "integer": "BIGINT",
        "real": "DOUBLE PRECISION",
        "bytes": "BYTEA",
        # The order of bytes: the same everywhere, and no index breaks when the system's collations change.
        "bytewise": ' COLLATE "C"',
        "keyed": "",
        "describe_old_audit": "",
    }
)
# Whoever sets one of these in the URL has a reason.
_CONNECTION: Mapping[str, str | int] = MappingProxyType(
    {
        "application_name": "govid",
        "connect_timeout": 3,  # seconds
        # A server that vanished without a word is noticed within 15 to 25 seconds.
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 15_000,  # milliseconds
        # Of several hosts in the URL, the primary.
        "target_session_attrs": "read-write",
    }
)
# What the role or database sets otherwise stays, but a commit is on disk when it returns. An idle transaction
# is one whose client is gone; it may hold the lock that all writers wait for.
_SESSION = """
    SELECT current_setting('server_encoding'),
        CASE current_setting('synchronous_commit') WHEN 'off'
            THEN set_config('synchronous_commit', 'on', false) END,
        CASE current_setting('statement_timeout') WHEN '0'
            THEN set_config('statement_timeout', '10s', false) END,
        CASE current_setting('idle_in_transaction_session_timeout') WHEN '0'
            THEN set_config('idle_in_transaction_session_timeout', '60s', false) END
"""


class PostgresqlStore(SqlStore):
    """``govid.store.Store`` in a PostgreSQL database."""

    def __init__(self, url: str, vault: Vault, *, connections: int = CONNECTIONS) -> None:
        """Connect and bring the schema forward.

        Args:
            url: ``postgresql://user:password@host:port/database``, as libpq takes it.
            vault: with the keys of the store's templates.
            connections: the most to hold at once.

        Raises:
            InvalidSettings: that is no URL.
            StoreUnavailable: the database cannot be used, or was written by a newer govid.
            EncryptionKeyMissing: the keys of its templates are not there.
        """
        super().__init__(PostgresqlDatabase(url, connections=connections), vault)


class Statements:
    """``govid.store.database.Connection`` on one of PostgreSQL's."""

    __slots__ = ("_connection", "_held")

    def __init__(self, connection: pool.Connection) -> None:
        self._connection = connection
        self._held: set[str] = set()

    def execute(self, statement: str, parameters: Sequence[Value] = ()) -> int:
        return self._cursor(statement, parameters).rowcount

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        if rows := list(rows):
            self._connection.cursor().executemany(_translated(statement), rows)

    def rows(self, statement: str, parameters: Sequence[Value] = ()) -> list[Row]:
        return self._cursor(statement, parameters).fetchall()

    def row(self, statement: str, parameters: Sequence[Value] = ()) -> Row | None:
        return self._cursor(statement, parameters).fetchone()

    def stream(self, statement: str, parameters: Sequence[Value] = ()) -> Iterator[Row]:
        # A cursor shows the state of when it was opened, whatever is committed meanwhile.
        with self._connection.transaction():
            # Its reader may take its time.
            self._connection.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
            with self._connection.cursor("stream", binary=True) as cursor:
                cursor.itersize = _ROWS_AT_ONCE
                yield from cursor.execute(_translated(statement), parameters)

    def exclusive(self, name: str) -> None:
        if name not in self._held:
            key = (f"govid {name}",)
            self._connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", key)
            self._held.add(name)

    def _cursor(self, statement: str, parameters: Sequence[Value]) -> psycopg.Cursor[Row]:
        # Binary: embeddings come as they are instead of as hexadecimal text.
        return self._connection.cursor(binary=True).execute(_translated(statement), parameters)


class PostgresqlDatabase:
    """``govid.store.database.Database`` on a PostgreSQL server."""

    words = _WORDS

    def __init__(self, url: str, *, connections: int = CONNECTIONS) -> None:
        """Connect and bring the schema forward; raises as ``PostgresqlStore``."""
        try:
            given: dict[str, Any] = conninfo_to_dict(url)
        except psycopg.Error:
            # libpq's own words repeat the URL, and with it the password.
            raise InvalidSettings("store_url is no valid PostgreSQL URL") from None
        if "@" in str(given.get("host")):  # errors would name a part of the password as the host
            raise InvalidSettings("store_url: in a user name or password, @ is written %40")
        self._parameters = {**_CONNECTION, **given, "client_encoding": "UTF8"}
        self.name = _name(given)
        self.full = False
        self._pool = pool.ConnectionPool(self._connect, connections)
        with closed_on_error(self), self.writing() as statements:
            # One process at a time brings the schema forward, however long that takes.
            statements.execute("SET LOCAL statement_timeout = 0")
            statements.exclusive("schema")
            self._migrate(statements)

    @contextmanager
    def reading(self) -> Iterator[Statements]:
        with self._connection() as connection:
            yield Statements(connection)

    @contextmanager
    def writing(self) -> Iterator[Statements]:
        with self._connection() as connection:
            connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
            try:
                yield Statements(connection)
            except psycopg.Error:
                raise
            except BaseException:
                connection.execute("ROLLBACK")
                raise
            # After a failed statement that somebody caught, COMMIT rolls back without an error.
            if (ended := connection.execute("COMMIT").statusmessage) != "COMMIT":
                raise StoreUnavailable(f"{self.name}: the transaction ended in {ended}")
            self.full = False

    def scrub(self) -> None:
        """Nothing: the server's own vacuum and log recycling erase, in their own time (docs/stores.md)."""

    def rewrite(self, table: str) -> None:
        """Write the table anew. Its role must own it; the server's log keeps old pages until recycled."""
        warnings: list[str] = []
        with self._connection() as connection:
            connection.add_notice_handler(lambda said: warnings.append(str(said.message_primary)))
            connection.execute("SET statement_timeout = 0")
            try:
                connection.execute(sql.SQL("VACUUM FULL {}").format(sql.Identifier(table)))
            finally:
                connection.close()  # with its time-out
        if warnings:  # for want of a right it is skipped, and that is no error
            raise StoreUnavailable(f"{self.name}: {warnings[0]}")

    def close(self) -> None:
        self._pool.close()

    @contextmanager
    def _connection(self) -> Iterator[pool.Connection]:
        """A connection, and PostgreSQL's errors in govid's words.

        They come without the server's details, which quote rows, and without their causes, which hold them.
        """
        try:
            with self._pool.connection() as connection:
                yield connection
        except psycopg.errors.DiskFull as error:
            self.full = True
            raise StorageFull(f"{self.name}: {error.diag.message_primary}") from None
        except psycopg.Error as error:
            if isinstance(error, psycopg.DataError) and error.sqlstate is None:
                raise InvalidParameter("a text holds a character that cannot be stored (NUL)") from None
            reason = error.diag.message_primary or str(error).strip()
            raise StoreUnavailable(f"{self.name}: {reason}") from None

    def _connect(self) -> pool.Connection:
        connection: pool.Connection = psycopg.connect(**self._parameters, autocommit=True)
        row = connection.execute(_SESSION).fetchone()
        assert row is not None
        if row[0] != "UTF8":
            connection.close()
            raise StoreUnavailable(
                f"{self.name}: its encoding is {row[0]}, which holds no Chinese name; UTF8 does"
            )
        return connection

    def _migrate(self, statements: Statements) -> None:
        row = statements.row("SELECT to_regclass('govid_schema')::text")
        assert row is not None
        # Looked up first: a role that may not create tables can still use them.
        if row[0] is None:
            statements.execute("CREATE TABLE govid_schema (version INTEGER NOT NULL)")
        stands_at = statements.row("SELECT version FROM govid_schema")
        version = migrate(statements, self.words, version=stands_at[0] if stands_at else 0, where=self.name)
        if stands_at is None:
            statements.execute("INSERT INTO govid_schema VALUES (?)", (version,))
        elif version != stands_at[0]:
            statements.execute("UPDATE govid_schema SET version = ?", (version,))


@lru_cache(maxsize=1024)
def _translated(statement: str) -> bytes:
    """psycopg's mark for a parameter instead of SQLite's."""
    return statement.replace("?", "%s").encode()


def _name(given: Mapping[str, Any]) -> str:
    """The database for people: the URL without password and options."""
    user, host, port = (given.get(key) for key in ("user", "host", "port"))
    address = f"{user}@" * bool(user) + (host or "") + f":{port}" * bool(port)
    return f"postgresql://{address}/{given.get('dbname', '')}"
