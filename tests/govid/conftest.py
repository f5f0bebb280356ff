"""Every store, empty: a SQLite file and a database of a private PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from govid.vault.keys import FileKeys
from govid.vault.vault import Vault
from tests.govid.store.support import OpenStore


@pytest.fixture(params=["sqlite", "postgresql"])
def open_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenStore]:
    """Opens the same records each time; all are closed at the end."""
    opened: list[SqlStore] = []
    if request.param == "postgresql":
        url = request.getfixturevalue("postgresql").new_schema()

        def make() -> SqlStore:
            from govid.store.postgresql import PostgresqlStore

            return PostgresqlStore(url, Vault(FileKeys(tmp_path / "keys" / "encryption.json")))
    else:

        def make() -> SqlStore:
            return SqliteStore(tmp_path / "govid.sqlite3")

    def open_one() -> SqlStore:
        opened.append(make())
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: OpenStore) -> SqlStore:
    """One store."""
    return open_store()
