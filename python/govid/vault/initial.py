"""Seals the templates of a store from before there were keys.

Whatever stops it, the next start goes on behind the last batch. What says that a store is sealed lies in the
database, where somebody who writes to it could take it away and have a forged template sealed by the next
start. So only a store is sealed in which nothing is yet, or that has proof of such a beginning: bytes sealed
under the key-encryption key.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from govid.errors import EncryptionKeyMissing, GovidError, SealBroken, StoreUnavailable
from govid.store import templates
from govid.store.database import Connection, Database
from govid.vault.vault import SubjectKey, Vault, insert_keys

_BATCH = 2000
_CONTEXT = "store from before"

log = logging.getLogger("govid.vault")


def seal_old_store(database: Database, vault: Vault) -> None:
    """Seal what lies in clear, once in the life of a store: later, a clear template is a foreign one.

    Raises:
        StoreUnavailable, StorageFull: nothing is lost, the next start goes on.
    """
    with database.writing() as connection:
        connection.exclusive("encryption_key")
        if connection.row("SELECT 1 FROM store_sealed"):
            return
        may_seal = _began_clear(connection, vault)
        holds_any = connection.row("SELECT 1 FROM reference LIMIT 1") is not None
    if not may_seal:
        log.error(
            "somebody took the mark off this store that says it is sealed; it is back, and templates that"
            " lie in clear are refused: see `govid vault status`"
        )
    elif holds_any:
        log.warning("the templates of this store are sealed now; it serves when that is done")
        seal_clear(database, vault, lambda done: log.info("%d templates sealed", done))
        rewrite(database)
    with database.writing() as connection:
        connection.exclusive("encryption_key")
        if not connection.row("SELECT 1 FROM store_sealed"):
            connection.execute("INSERT INTO store_sealed VALUES (?)", (time.time(),))
        connection.execute("DELETE FROM store_sealing")


def _began_clear(connection: Connection, vault: Vault) -> bool:
    """Whether nothing is sealed in this store but what its sealing has done so far; makes the proof of it."""
    identity = connection.row("SELECT identity FROM store_identity")
    assert identity is not None
    if (proof := connection.row("SELECT key_id, proof FROM store_sealing")) is not None:
        try:
            vault.unwrap(*proof, _CONTEXT, identity[0])
        except (SealBroken, EncryptionKeyMissing):
            return False
        return True
    if connection.row("SELECT 1 FROM subject_key LIMIT 1"):
        return False
    connection.execute("INSERT INTO store_sealing VALUES (?, ?)", vault.wrap(b"", _CONTEXT, identity[0]))
    return True


def seal_clear(database: Database, vault: Vault, progress: Callable[[int], None]) -> int:
    """Seal every template that lies in clear, in batches; how many those were.

    Several processes may do so at once.
    """
    done = 0
    while True:
        with database.writing() as connection:
            some = _seal_some(connection, vault)
        if not some:
            return done
        done += some
        progress(done)


def clear_references(connection: Connection) -> int:
    """How many templates lie in clear: none but in a store that an older govid wrote to."""
    row = connection.row("SELECT count(*) FROM reference WHERE sealed = 0")
    assert row is not None
    return int(row[0])


def rewrite(database: Database) -> None:
    """Overwrite what free pages of the database still hold of clear templates.

    Raises:
        StoreUnavailable: another process holds the database, or the disk has no room for a copy.
    """
    try:
        database.rewrite("reference")
    except GovidError as error:
        raise StoreUnavailable(
            f"the templates are sealed, but free pages may hold clear ones until the database can be "
            f"written anew: {error.detail}"
        ) from None


def _seal_some(connection: Connection, vault: Vault) -> int:
    # As every writer of references: of two processes, the second finds what the first has left.
    connection.exclusive("gallery_change")
    rows = connection.rows(
        "SELECT reference_id, subject_id, key_id, wrapped, model_id, embedding, created_at"
        " FROM reference LEFT JOIN subject_key USING (subject_id)"
        " WHERE sealed = 0 ORDER BY reference_id LIMIT ?",
        (_BATCH,),
    )
    keyless = sorted({row[1] for row in rows if row[2] is None})
    created = [*vault.new_keys(keyless)]
    insert_keys(connection, [row for row, _ in created])
    keys: dict[str, SubjectKey] = {row.subject_id: key for row, key in created}
    sealed = []
    for reference_id, subject_id, key_id, wrapped, model_id, embedding, created_at in rows:
        if subject_id not in keys:
            keys[subject_id] = vault.unwrapped(subject_id, key_id, wrapped)
        key = keys[subject_id]
        sealed.append((templates.sealed(key, model_id, created_at, bytes(embedding)), reference_id))
    connection.execute_many("UPDATE reference SET embedding = ?, sealed = 1 WHERE reference_id = ?", sealed)
    return len(rows)
