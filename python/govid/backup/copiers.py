"""Which copier the settings need."""

from __future__ import annotations

from pathlib import Path

from govid.backup import Copier
from govid.backup.sqlite import SqliteCopier
from govid.config import Settings
from govid.errors import BackupBroken, StoreDriverMissing
from govid.store.opening import store_url


def copier_of(settings: Settings) -> Copier:
    """That of the store which the settings name.

    Raises:
        InvalidSettings, StoreDriverMissing.
    """
    url = store_url(settings)
    return _postgresql(url) if url else SqliteCopier(settings.database)


def reader_of(records: str) -> Copier:
    """One that reads a copy of this name, wherever the store is."""
    if records == SqliteCopier.file:
        return SqliteCopier(Path())
    if records == "records.dump":
        return _postgresql("")
    raise BackupBroken(f"{records}: records of a kind that this govid does not know")


def _postgresql(url: str) -> Copier:
    try:
        # Only here: govid runs without it.
        from govid.backup.postgresql import PostgresqlCopier  # noqa: PLC0415
    except ImportError as error:
        raise StoreDriverMissing(str(error)) from None
    return PostgresqlCopier(url)
