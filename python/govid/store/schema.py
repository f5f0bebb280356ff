"""The tables, as steps from each version to the next. A store is brought forward step by step, never back."""

from __future__ import annotations

from collections.abc import Mapping

from govid.errors import StoreUnavailable
from govid.store.database import Connection

# Words in braces are the dialect's. One entry per version; an entry that was released is never changed.
MIGRATIONS = (
    """
    CREATE TABLE subject (
        subject_id TEXT{bytewise} PRIMARY KEY,
        created_at {real} NOT NULL
    ){keyed};
    CREATE TABLE reference (
        reference_id {serial},
        subject_id TEXT{bytewise} NOT NULL REFERENCES subject ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        embedding {bytes} NOT NULL,
        quality TEXT NOT NULL,
        created_at {real} NOT NULL
    );
    CREATE INDEX reference_subject ON reference (subject_id);
    CREATE TABLE gallery_change (
        sequence {serial},
        reference_id {integer} NOT NULL
    );
    CREATE TABLE idempotency (
        key TEXT PRIMARY KEY,
        request_digest TEXT NOT NULL,
        reply {bytes} NOT NULL,
        created_at {real} NOT NULL
    ){keyed};
    CREATE INDEX idempotency_age ON idempotency (created_at);
    CREATE TABLE audit (
        audit_id {serial},
        record TEXT NOT NULL
    );
    """,
    # A held subject is known and not active: no comparison or search finds it before a person has decided.
    # Cases outlive their subjects: they hold ids and scores, and nothing from which a face could be made.
    """
    ALTER TABLE subject ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE subject_group (
        name TEXT{bytewise} NOT NULL,
        subject_id TEXT{bytewise} NOT NULL REFERENCES subject ON DELETE CASCADE,
        PRIMARY KEY (name, subject_id)
    ){keyed};
    CREATE INDEX subject_group_subject ON subject_group (subject_id);
    CREATE TABLE gallery_position (
        name TEXT PRIMARY KEY,
        sequence {integer} NOT NULL
    ){keyed};
    CREATE TABLE store_identity (
        identity TEXT PRIMARY KEY
    ){keyed};
    CREATE TABLE duplicate_case (
        case_id {serial},
        origin TEXT NOT NULL,
        job_id {integer},
        created_at {real} NOT NULL,
        closed_at {real}
    );
    CREATE INDEX duplicate_case_open ON duplicate_case (case_id) WHERE closed_at IS NULL;
    CREATE TABLE case_subject (
        case_id {integer} NOT NULL REFERENCES duplicate_case ON DELETE CASCADE,
        subject_id TEXT{bytewise} NOT NULL,
        PRIMARY KEY (case_id, subject_id)
    ){keyed};
    CREATE INDEX case_subject_subject ON case_subject (subject_id);
    CREATE TABLE case_pair (
        case_id {integer} NOT NULL REFERENCES duplicate_case ON DELETE CASCADE,
        subject_a TEXT{bytewise} NOT NULL,
        subject_b TEXT{bytewise} NOT NULL,
        reference_a {integer} NOT NULL,
        reference_b {integer} NOT NULL,
        score {real} NOT NULL,
        PRIMARY KEY (case_id, reference_a, reference_b)
    ){keyed};
    """,
    # Failures are counted for ids of nobody, too: otherwise a lock would tell who is enrolled.
    """
    CREATE TABLE api_key (
        key_id TEXT PRIMARY KEY,
        digest {bytes} NOT NULL,
        name TEXT NOT NULL,
        scopes TEXT NOT NULL,
        use_cases TEXT,
        sees TEXT NOT NULL,
        created_at {real} NOT NULL,
        expires_at {real},
        revoked_at {real},
        last_used_at {real}
    ){keyed};
    CREATE TABLE failed_attempts (
        subject_id TEXT{bytewise} PRIMARY KEY,
        failures INTEGER NOT NULL,
        expires_at {real} NOT NULL
    ){keyed};
    CREATE INDEX failed_attempts_age ON failed_attempts (expires_at);
    """,
)


def migrate(connection: Connection, words: Mapping[str, str], *, version: int, where: str) -> int:
    """Bring the tables forward, inside the caller's transaction.

    Args:
        words: the dialect's, of ``Database.words``.
        version: what the tables stand at; 0 where there are none.
        where: name of the store, for the message.

    Returns:
        The version they stand at afterwards.

    Raises:
        StoreUnavailable: a newer govid wrote them.
    """
    if version > len(MIGRATIONS):
        raise StoreUnavailable(f"{where}: written by a newer govid (schema {version})")
    for migration in MIGRATIONS[version:]:
        for statement in migration.format_map(words).split(";"):
            if statement.strip():
                connection.execute(statement)
    return len(MIGRATIONS)
