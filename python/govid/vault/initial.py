"""Seals the templates of a store from before there were keys.

Whatever stops it, the next start goes on behind the last batch.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from govid.errors import GovidError, StoreUnavailable
from govid.store import templates
from govid.store.database import Connection, Database
from govid.vault.vault import SubjectKey, Vault, insert_keys

_BATCH = 2000

log = logging.getLogger("govid.vault")


def seal_old_store(database: Database, vault: Vault) -> None:
    """Seal what lies in clear, once in the life of a store: later, a clear template is a foreign one.

    Raises:
        StoreUnavailable, StorageFull: nothing is lost, the next start goes on.
    """
    with database.reading() as connection:
        if connection.row("SELECT 1 FROM store_sealed"):
            return
        holds_any = connection.row("SELECT 1 FROM reference LIMIT 1") is not None
    if holds_any:
        log.warning("the templates of this store are sealed now; it serves when that is done")
        seal_clear(database, vault, lambda done: log.info("%d templates sealed", done))
        rewrite(database)
    with database.writing() as connection:
        connection.exclusive("encryption_key")
        if not connection.row("SELECT 1 FROM store_sealed"):
            connection.execute("INSERT INTO store_sealed VALUES (?)", (time.time(),))


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
