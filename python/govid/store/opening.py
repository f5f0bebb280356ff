"""Which store the settings name."""

from __future__ import annotations

from pathlib import Path

from govid.config import Settings
from govid.errors import InvalidSettings, StoreDriverMissing
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from govid.vault.keys import open_keys
from govid.vault.vault import Vault


def open_store(settings: Settings) -> SqlStore:
    """PostgreSQL where ``store_url`` or ``store_url_file`` is set, else the SQLite file in ``data_dir``.

    Raises:
        InvalidSettings: the URL is none that govid knows.
        StoreDriverMissing: the package that talks to this database is not installed.
        StoreUnavailable: the store cannot be opened.
        EncryptionKeyMissing: the keys of its templates are not there.
    """
    url = store_url(settings)
    vault = Vault(open_keys(settings))
    if not url:
        return SqliteStore(settings.database, vault)
    # The URL itself is in no message: it holds a password.
    if not url.startswith(("postgresql://", "postgres://")):
        raise InvalidSettings("store_url: it begins with postgresql://; without it, records lie in data_dir")
    try:
        # Only here: govid runs without it.
        from govid.store.postgresql import PostgresqlStore  # noqa: PLC0415
    except ImportError as error:
        raise StoreDriverMissing(str(error)) from None
    return PostgresqlStore(url, vault, connections=settings.store_connections)


def store_url(settings: Settings) -> str:
    """The URL of the records; empty where they are a SQLite file. Raises InvalidSettings."""
    if not settings.store_url_file:
        return settings.store_url
    if settings.store_url:
        raise InvalidSettings("store_url and store_url_file are both set: keep one")
    try:
        url = Path(settings.store_url_file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise InvalidSettings(f"store_url_file {settings.store_url_file}: {reason}") from None
    if not url:  # records would go elsewhere
        raise InvalidSettings(f"store_url_file {settings.store_url_file}: it is empty")
    return url
