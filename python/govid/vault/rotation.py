"""A new key-encryption key: every data key is wrapped with it, and no sealed byte is touched.

Whatever stops it, the same command goes on: what is wrapped with the current key is done.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from govid.errors import InvalidSettings
from govid.store.database import Connection, Database
from govid.vault.initial import clear_references
from govid.vault.vault import SubjectKeyRow, Vault, register

_BATCH = 1000


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How a store is sealed."""

    keys: str
    current_key: str
    subjects_by_key: dict[str, int]
    """Subjects whose data keys each key-encryption key wraps."""
    unused_keys: tuple[str, ...]
    clear_references: int
    sealed: bool
    """Whether all templates are, and no free page of the database holds a clear one."""


def status(database: Database, vault: Vault) -> Status:
    """Count what is sealed with which key."""
    with database.reading() as connection:
        counts = {
            key_id: int(count)
            for key_id, count in connection.rows(
                "SELECT key_id, count(*) FROM subject_key GROUP BY key_id ORDER BY key_id"
            )
        }
        clear = clear_references(connection)
        done = connection.row("SELECT 1 FROM store_sealed") is not None
    return Status(
        keys=vault.keys.name,
        current_key=vault.keys.current(),
        subjects_by_key=counts,
        unused_keys=tuple(key_id for key_id in vault.keys.ids()[1:] if key_id not in counts),
        clear_references=clear,
        sealed=done and not clear,
    )


def adopt(database: Database, vault: Vault, key_id: str) -> None:
    """Make a key the current one; data keys that are made from now on are wrapped with it."""
    with database.writing() as connection:
        connection.exclusive("encryption_key")
        register(connection, key_id)
    if vault.keys.current() != key_id:
        vault.keys.promote(key_id)


def rewrap(database: Database, vault: Vault, progress: Callable[[int], None]) -> int:
    """Wrap every data key with the current key, in batches; how many were not.

    Raises:
        SealBroken: a data key is not what was stored. What came before it is done.
        EncryptionKeyMissing: the key it is wrapped with is not here.
    """
    done, after = 0, ""
    while True:
        # Of two rotations at once both end with the newer key, instead of undoing each other's work for ever.
        current = vault.keys.current()
        with database.writing() as connection:
            some = _rewrap_some(connection, vault, current, after)
        if not some:
            # A server that had not seen the new key yet may have used the old one behind this pass.
            if not after:
                return done
            after = ""
            continue
        after = some[-1]
        done += len(some)
        progress(done)


def _rewrap_some(connection: Connection, vault: Vault, current: str, after: str) -> list[str]:
    """The next subjects whose keys another key wrapped."""
    # As every writer of subjects: none is deleted between the two statements.
    connection.exclusive("gallery_change")
    rows = [
        SubjectKeyRow(subject_id, key_id, bytes(wrapped), bytes(fingerprint))
        for subject_id, key_id, wrapped, fingerprint in connection.rows(
            "SELECT subject_id, key_id, wrapped, fingerprint FROM subject_key"
            " WHERE key_id <> ? AND subject_id > ? ORDER BY subject_id LIMIT ?",
            (current, after, _BATCH),
        )
    ]
    rewrapped = [vault.rewrapped(row, current) for row in rows]
    connection.execute_many(
        "UPDATE subject_key SET key_id = ?, wrapped = ? WHERE subject_id = ?",
        [(row.key_id, row.wrapped, row.subject_id) for row in rewrapped],
    )
    return [row.subject_id for row in rows]


def destroy(database: Database, vault: Vault, key_id: str) -> None:
    """Destroy a key that wraps nothing in this store; what it wraps in old backups can never be read again.

    Raises:
        InvalidSettings: it is in use, or not known.
    """
    if key_id not in vault.keys.ids():
        raise InvalidSettings(f"{vault.keys.name} has no key {key_id}")
    if key_id == vault.keys.current():
        raise InvalidSettings(f"{key_id} is the current key: run `govid vault rotate` first")
    with database.writing() as connection:
        connection.exclusive("encryption_key")
        # The writers of subjects: none uses the key from here on, for the foreign key refuses it.
        connection.exclusive("gallery_change")
        if connection.row("SELECT 1 FROM subject_key WHERE key_id = ? LIMIT 1", (key_id,)):
            raise InvalidSettings(f"{key_id} still wraps data keys: run `govid vault rotate` first")
        connection.execute("DELETE FROM encryption_key WHERE key_id = ?", (key_id,))
    vault.keys.destroy(key_id)
    # The replaced rows, which the destroyed key could have opened, are gone from the logs as well.
    database.scrub()


def unfinished(database: Database, vault: Vault) -> bool:
    """Whether a rotation was stopped: the current key does not wrap all yet, and wraps some or is new."""
    current = vault.keys.current()
    with database.reading() as connection:
        return connection.row("SELECT 1 FROM subject_key WHERE key_id <> ? LIMIT 1", (current,)) is not None
