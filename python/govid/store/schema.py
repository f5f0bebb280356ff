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
        key TEXT{bytewise} PRIMARY KEY,
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
        name TEXT{bytewise} PRIMARY KEY,
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
    # The audit becomes a chain: each row holds a digest over the one before and itself. Rows from before have
    # none. What is asked of the audit is found by columns beside the record, which the digest covers.
    """
    ALTER TABLE audit ADD COLUMN digest {bytes};
    ALTER TABLE audit ADD COLUMN request_id TEXT;
    ALTER TABLE audit ADD COLUMN time {real};
    ALTER TABLE audit ADD COLUMN operation TEXT;
    ALTER TABLE audit ADD COLUMN outcome TEXT;
    ALTER TABLE audit ADD COLUMN caller TEXT;
    ALTER TABLE audit ADD COLUMN use_case TEXT;
    CREATE INDEX audit_request ON audit (request_id);
    CREATE INDEX audit_time ON audit (time);
    CREATE TABLE audit_subject (
        subject_id TEXT{bytewise} NOT NULL,
        audit_id {integer} NOT NULL,
        PRIMARY KEY (subject_id, audit_id)
    ){keyed};
    {describe_old_audit};
    CREATE TABLE audit_checkpoint (
        checkpoint_id {serial},
        last_audit_id {integer} NOT NULL,
        statement TEXT NOT NULL
    );
    CREATE TABLE feedback (
        feedback_id {serial},
        request_id TEXT NOT NULL UNIQUE,
        rating TEXT NOT NULL,
        comment TEXT NOT NULL,
        created_at {real} NOT NULL,
        due_at {real},
        closed_at {real},
        answer TEXT,
        closed_by TEXT
    );
    CREATE TABLE notification (
        notification_id {serial},
        kind TEXT NOT NULL,
        body TEXT NOT NULL,
        created_at {real} NOT NULL,
        next_attempt_at {real} NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        delivered_at {real}
    );
    CREATE INDEX notification_due ON notification (next_attempt_at) WHERE delivered_at IS NULL;
    """,
    # A dedup job cuts the references, in the order in which they became active (gallery_change), into ranges.
    # A row of dedup_block is one range against itself and all before it, up to next_column: not a row for
    # each pair of ranges, of which there are billions in a large registry.
    """
    ALTER TABLE duplicate_case ADD COLUMN cluster_subjects INTEGER;
    ALTER TABLE duplicate_case ADD COLUMN disputed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX duplicate_case_job ON duplicate_case (job_id);
    CREATE INDEX case_pair_subjects ON case_pair (subject_a, subject_b);
    CREATE TABLE case_verdict (
        verdict_id {serial},
        case_id {integer} NOT NULL REFERENCES duplicate_case ON DELETE CASCADE,
        subject_a TEXT{bytewise} NOT NULL,
        subject_b TEXT{bytewise} NOT NULL,
        verdict TEXT NOT NULL,
        adjudicator TEXT NOT NULL,
        note TEXT NOT NULL,
        decided_at {real} NOT NULL
    );
    CREATE INDEX case_verdict_case ON case_verdict (case_id);
    CREATE TABLE settled_pair (
        subject_a TEXT{bytewise} NOT NULL,
        subject_b TEXT{bytewise} NOT NULL,
        verdict TEXT NOT NULL,
        last_reference {integer} NOT NULL,
        PRIMARY KEY (subject_a, subject_b)
    ){keyed};
    CREATE TABLE dedup_job (
        job_id {serial},
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        model_id TEXT NOT NULL,
        calibration_id TEXT NOT NULL,
        after_change {integer} NOT NULL,
        last_change {integer} NOT NULL,
        threshold {real} NOT NULL,
        fmr {real} NOT NULL,
        fmr_upper {real} NOT NULL,
        supported INTEGER NOT NULL,
        comparisons {integer} NOT NULL,
        created_at {real} NOT NULL,
        resumed_at {real} NOT NULL,
        blocks_before {integer} NOT NULL,
        ended_at {real}
    );
    CREATE TABLE dedup_block (
        job_id {integer} NOT NULL REFERENCES dedup_job ON DELETE CASCADE,
        number {integer} NOT NULL,
        after_change {integer} NOT NULL,
        last_change {integer} NOT NULL,
        column_count {integer} NOT NULL,
        next_column {integer} NOT NULL,
        state TEXT NOT NULL,
        worker TEXT,
        lease_until {real} NOT NULL,
        compared {integer} NOT NULL,
        same_subject {integer} NOT NULL,
        other_model {integer} NOT NULL,
        not_kept {integer} NOT NULL,
        PRIMARY KEY (job_id, number)
    ){keyed};
    CREATE TABLE dedup_pair (
        job_id {integer} NOT NULL REFERENCES dedup_job ON DELETE CASCADE,
        reference_a {integer} NOT NULL,
        reference_b {integer} NOT NULL,
        subject_a TEXT{bytewise} NOT NULL,
        subject_b TEXT{bytewise} NOT NULL,
        score {real} NOT NULL,
        case_id {integer},
        PRIMARY KEY (job_id, reference_a, reference_b)
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
        subject_id TEXT{bytewise} NOT NULL,
        counted_for TEXT{bytewise} NOT NULL,
        failures INTEGER NOT NULL,
        expires_at {real} NOT NULL,
        PRIMARY KEY (subject_id, counted_for)
    ){keyed};
    CREATE INDEX failed_attempts_age ON failed_attempts (expires_at);
    """,
    # Templates are sealed under a key per subject (``govid.vault``). Its row goes with the subject, and names
    # a key-encryption key that nobody has destroyed. What is not sealed yet is found by an index of its own.
    """
    CREATE TABLE encryption_key (
        key_id TEXT PRIMARY KEY,
        created_at {real} NOT NULL
    ){keyed};
    CREATE TABLE subject_key (
        subject_id TEXT{bytewise} PRIMARY KEY REFERENCES subject ON DELETE CASCADE,
        key_id TEXT NOT NULL REFERENCES encryption_key,
        wrapped {bytes} NOT NULL,
        fingerprint {bytes} NOT NULL
    ){keyed};
    CREATE TABLE store_sealed (
        sealed_at {real} NOT NULL
    );
    CREATE TABLE erasure (
        erasure_id {serial},
        subject_id TEXT{bytewise} NOT NULL,
        request_id TEXT NOT NULL,
        caller TEXT,
        erased_at {real} NOT NULL,
        key_id TEXT NOT NULL,
        fingerprint {bytes} NOT NULL,
        reference_count {integer} NOT NULL,
        photo_count {integer} NOT NULL,
        audit_digest {bytes} NOT NULL
    );
    ALTER TABLE reference ADD COLUMN sealed INTEGER NOT NULL DEFAULT 0;
    CREATE INDEX reference_clear ON reference (reference_id) WHERE sealed = 0;
    """,
    # What may be kept of the photo of a reference, sealed under a key of its subject; how what is past its
    # time is found, and what is held on one subject.
    """
    CREATE TABLE photo (
        reference_id {integer} PRIMARY KEY REFERENCES reference ON DELETE CASCADE,
        media_type TEXT NOT NULL,
        data {bytes} NOT NULL,
        kept_until {real} NOT NULL
    );
    CREATE INDEX photo_kept_until ON photo (kept_until);
    CREATE INDEX erasure_subject ON erasure (subject_id);
    CREATE INDEX dedup_pair_a ON dedup_pair (subject_a);
    CREATE INDEX dedup_pair_b ON dedup_pair (subject_b);
    CREATE INDEX audit_use_case ON audit (use_case, time) WHERE use_case IS NOT NULL;
    """,
    # A migration to another model. A reference keeps its template of the old one, and its template of the new
    # one lies beside it: ``serving_reference`` shows the one that counts, so that cutting over and rolling
    # back change one row, and no reader ever sees half of it.
    """
    CREATE TABLE migration (
        migration_id {serial},
        state TEXT NOT NULL,
        serves TEXT NOT NULL,
        flips INTEGER NOT NULL DEFAULT 0,
        source_model_id TEXT NOT NULL,
        source_profile TEXT NOT NULL,
        source_precision TEXT NOT NULL,
        source_embedder TEXT NOT NULL,
        target_model_id TEXT NOT NULL,
        target_profile TEXT NOT NULL,
        target_precision TEXT NOT NULL,
        target_embedder TEXT NOT NULL,
        claimed_to {integer} NOT NULL DEFAULT 0,
        created_at {real} NOT NULL,
        ended_at {real}
    );
    CREATE TABLE shadow_template (
        reference_id {integer} PRIMARY KEY REFERENCES reference ON DELETE CASCADE,
        model_id TEXT NOT NULL,
        embedding {bytes} NOT NULL
    );
    CREATE TABLE shadow_obstacle (
        reference_id {integer} PRIMARY KEY REFERENCES reference ON DELETE CASCADE,
        reason TEXT NOT NULL
    );
    CREATE TABLE shadow_outcome (
        migration_id {integer} NOT NULL REFERENCES migration,
        use_case TEXT NOT NULL,
        old_decision TEXT NOT NULL,
        new_decision TEXT NOT NULL,
        compared {integer} NOT NULL,
        old_score {real} NOT NULL,
        new_score {real} NOT NULL,
        old_log_fmr {real} NOT NULL,
        new_log_fmr {real} NOT NULL,
        PRIMARY KEY (migration_id, use_case, old_decision, new_decision)
    ){keyed};
    CREATE VIEW serving_reference AS
        SELECT reference.reference_id, subject_id,
            coalesce(shadow.model_id, reference.model_id) AS model_id,
            coalesce(shadow.embedding, reference.embedding) AS embedding,
            quality, reference.created_at
        FROM reference LEFT JOIN shadow_template AS shadow
            ON shadow.reference_id = reference.reference_id AND shadow.model_id = (
                SELECT target_model_id FROM migration WHERE serves = 'target' AND state <> 'finished'
            );
    """,
    # Sessions of the operator console: the word that a browser keeps is kept nowhere, only its digest.
    """
    CREATE TABLE console_session (
        digest TEXT PRIMARY KEY,
        key_id TEXT NOT NULL,
        begun_at {real} NOT NULL,
        used_at {real} NOT NULL
    ){keyed};
    """,
    # Servers look for a new signing key each second.
    """
    CREATE INDEX audit_rotation ON audit (audit_id) WHERE operation = 'rotate_signing_key';
    """,
    # While the templates of a store from before are being sealed, proof that it was one (``vault.initial``).
    """
    CREATE TABLE store_sealing (
        key_id TEXT NOT NULL,
        proof {bytes} NOT NULL
    );
    """,
    # Which key signs first, named when it is taken into use: before a checkpoint is signed, nothing else says
    # which one that was. Of those that follow, the audit does.
    """
    CREATE TABLE first_signing_key (
        key_id TEXT NOT NULL
    );
    """,
    # When retention ran last, and the last row of the audit then: a clock that is far ahead of both is wrong.
    """
    CREATE TABLE retention_run (
        ran_at {real} NOT NULL,
        audit_id {integer} NOT NULL
    );
    """,
    # Whose templates count while no migration says so. Of a store from before, where everything names the
    # same: the newest reference, more than half of them, and the last migration, if there was one.
    """
    CREATE TABLE serving_model (
        model_id TEXT NOT NULL
    );
    INSERT INTO serving_model
        SELECT model_id FROM reference GROUP BY model_id
        HAVING model_id = (SELECT model_id FROM reference ORDER BY reference_id DESC LIMIT 1)
            AND count(*) * 2 > (SELECT count(*) FROM reference)
            AND model_id = coalesce(
                (SELECT CASE serves WHEN 'target' THEN target_model_id ELSE source_model_id END
                    FROM migration ORDER BY migration_id DESC LIMIT 1),
                model_id
            );
    """,
    # What was answered to a complaint before it was corrected, or opened anew: nothing said is overwritten.
    """
    CREATE TABLE earlier_answer (
        answer_id {serial},
        feedback_id {integer} NOT NULL REFERENCES feedback ON DELETE CASCADE,
        answer TEXT NOT NULL,
        answered_at {real} NOT NULL,
        answered_by TEXT NOT NULL
    );
    CREATE INDEX earlier_answer_feedback ON earlier_answer (feedback_id);
    """,
    # Of the erasure of a single reference: which one, and when it was enrolled. A restored store gives
    # numbers out again, so that one alone would name another reference some day.
    """
    ALTER TABLE erasure ADD COLUMN reference_id {integer};
    ALTER TABLE erasure ADD COLUMN enrolled_at {real};
    """,
    # How two subjects were settled goes with either of them.
    """
    CREATE INDEX settled_pair_b ON settled_pair (subject_b);
    DELETE FROM settled_pair
        WHERE subject_a NOT IN (SELECT subject_id FROM subject)
        OR subject_b NOT IN (SELECT subject_id FROM subject);
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
