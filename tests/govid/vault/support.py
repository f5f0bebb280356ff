"""Stores as an older govid left them."""

from __future__ import annotations

from govid.store.records import SqlStore
from govid.template import pack


def clear_again(store: SqlStore) -> None:
    """Put all templates back in clear, as if there had never been a key."""
    templates = [(pack(template), reference_id) for reference_id, template in store.all_templates()[1]]
    with store.database.writing() as connection:
        connection.execute_many(
            "UPDATE reference SET embedding = ?, sealed = 0 WHERE reference_id = ?", templates
        )
        for table in ("subject_key", "store_sealed", "store_sealing", "encryption_key"):
            connection.execute(f"DELETE FROM {table}")
