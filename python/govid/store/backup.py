"""Where the records stand when they are copied, and what has to change in a copy that goes on by itself."""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.store.audit import append
from govid.store.database import Connection, Database


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """Where the records stood when they were copied."""

    schema: Annotated[int, Meta(ge=0, description="Version of the tables")]
    identity: str
    subjects: int
    references: int
    audit_position: Annotated[int, Meta(description="Id of the last row of the audit; 0 without one")]
    audit_head: Annotated[str, Meta(description="Its digest, hexadecimal; empty without one")]


def moment(connection: Connection, *, schema: int) -> Moment:
    """Where the records stand."""
    identity = connection.row("SELECT identity FROM store_identity")
    head = connection.row("SELECT audit_id, digest FROM audit ORDER BY audit_id DESC LIMIT 1")
    subjects, references = (
        row[0] if (row := connection.row(f"SELECT count(*) FROM {table}")) else 0
        for table in ("subject", "reference")
    )
    return Moment(
        schema=schema,
        identity=identity[0] if identity else "",
        subjects=subjects,
        references=references,
        audit_position=head[0] if head else 0,
        audit_head=bytes(head[1]).hex() if head and head[1] else "",
    )


def adopt(database: Database, record: AuditRecord) -> None:
    """Give a restored store a new identity: it goes on from an earlier state under the same numbers.

    No gallery or snapshot of the old one is then taken for its own.
    """
    with database.writing() as connection:
        connection.exclusive("store_identity")
        connection.execute("UPDATE store_identity SET identity = ?", (str(uuid.uuid4()),))
        # How far a shared gallery of the old identity was filled.
        connection.execute("DELETE FROM gallery_position")
        # Nor does a session of the console come back that was ended since.
        connection.execute("DELETE FROM console_session")
        append(connection, record)
