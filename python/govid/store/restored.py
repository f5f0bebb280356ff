"""What has to change in a store that was restored: it goes on from an earlier state under the same numbers."""

from __future__ import annotations

import uuid

from govid.audit import AuditRecord
from govid.store.audit import append
from govid.store.database import Database


def adopt(database: Database, record: AuditRecord) -> None:
    """Give the store a new identity, so that no gallery or snapshot of the old one is taken for its own."""
    with database.writing() as connection:
        connection.exclusive("store_identity")
        connection.execute("UPDATE store_identity SET identity = ?", (str(uuid.uuid4()),))
        # How far a shared gallery of the old identity was filled.
        connection.execute("DELETE FROM gallery_position")
        append(connection, record)
