"""``govid.store.Store`` in SQL, for every database."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Collection, Iterator, Sequence

import msgspec
import numpy as np

from govid import template as codec
from govid.audit import AuditRecord
from govid.errors import (
    IdempotencyKeyReused,
    LastReference,
    ReferenceTooOld,
    SubjectExists,
    SubjectHeld,
    TooManyReferences,
    UnknownReference,
    UnknownSubject,
)
from govid.gallery import Within
from govid.lockout import Attempt, Attempts
from govid.store import (
    MAX_ADJUDICATORS,
    Change,
    Counts,
    Gate,
    Idempotency,
    NewReference,
    Replayed,
    ReplyTo,
    ReplyToErasure,
    Stored,
    SubjectRecord,
    Suspicion,
    attempts,
    cases,
    erasures,
    migration,
    shadow,
    templates,
    verdicts,
)
from govid.store.audit import append as append_audit
from govid.store.changes import announce
from govid.store.database import Connection, Database, Row, Value, closed_on_error
from govid.store.erasures import Erased
from govid.store.photos import Photos
from govid.store.shadow import SERVING, SERVING_COLUMNS, SERVING_SHADOW
from govid.types import QualityMeasure, Reference, Template
from govid.vault.initial import seal_old_store
from govid.vault.vault import SubjectKey, Vault

IDEMPOTENCY_SECONDS = 24 * 3600
_ACTIVE = f"{SERVING} JOIN subject USING (subject_id) LEFT JOIN subject_key USING (subject_id)"
_IDS_AT_ONCE = 500
_CHANGES_AT_ONCE = 1000


class SqlStore:
    """The records of a database. ``database`` is for the other tables, each with a file beside this one."""

    def __init__(self, database: Database, vault: Vault) -> None:
        """Make the store ready, which seals the templates of one from before there were keys.

        Raises:
            EncryptionKeyMissing: the keys of its templates are not there.
        """
        self.database, self.vault = database, vault
        self.photos = Photos(database, vault)
        with closed_on_error(database):
            with database.writing() as connection:
                connection.exclusive("store_identity")
                if (row := connection.row("SELECT identity FROM store_identity")) is None:
                    row = (str(uuid.uuid4()),)
                    connection.execute("INSERT INTO store_identity VALUES (?)", row)
            vault.attach(database)
            seal_old_store(database, vault)
            self._decoy = templates.decoy(vault)
        self.identity: str = row[0]

    # --- writes -------------------------------------------------------------------------------------

    def recall(self, idempotency: Idempotency) -> Replayed | None:
        with self.database.reading() as connection:
            return _recall(connection, idempotency)

    def add_subject(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyTo,
        *,
        groups: Sequence[str] = (),
        gate: Gate | None = None,
    ) -> Stored | Replayed:
        with self.database.writing() as connection:
            if replayed := claimed(connection, idempotency):
                return replayed
            suspicions = _judged(connection, self.vault, gate)
            reference = insert_subject(connection, self.vault, new, groups=groups, held=bool(suspicions))
            if reference is None:
                raise SubjectExists
            self._keep_photo(connection, reference.reference_id, new)
            case_id = None
            if suspicions:
                case_id = cases.open_case(connection, "enrolment", reference, suspicions)
                suspects = tuple(suspicion.subject_id for suspicion in suspicions)
                audit = msgspec.structs.replace(audit, outcome="HELD", candidates=suspects)
            append_audit(connection, audit)
            remember(connection, idempotency, lambda: reply(reference, case_id))
            return Stored(reference, case_id)

    def add_reference(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyTo,
        *,
        max_references: int,
        gate: Gate | None = None,
    ) -> Stored | Replayed:
        with self.database.writing() as connection:
            if replayed := claimed(connection, idempotency):
                return replayed
            # Two requests at once could otherwise both see a last free place.
            connection.exclusive("gallery_change")
            held = connection.row(
                "SELECT count(reference_id), max(held) FROM subject LEFT JOIN reference USING (subject_id)"
                " WHERE subject_id = ? GROUP BY subject_id",
                (new.subject_id,),
            )
            if held is None:
                raise UnknownSubject
            if held[1]:
                raise SubjectHeld
            if held[0] >= max_references:
                raise TooManyReferences(f"{held[0]} references, at most {max_references}")
            _judged(connection, self.vault, gate)
            reference = insert_reference(connection, self.vault, new, held=False)
            self._keep_photo(connection, reference.reference_id, new)
            append_audit(connection, audit)
            remember(connection, idempotency, lambda: reply(reference, None))
            return Stored(reference)

    def delete_subject(
        self,
        subject_id: str,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyToErasure,
        *,
        adjudicators: int = MAX_ADJUDICATORS,
    ) -> Erased | Replayed:
        return self._erase(subject_id, None, audit, idempotency, reply, adjudicators)

    def delete_reference(
        self,
        subject_id: str,
        reference_id: int,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyToErasure,
        *,
        adjudicators: int = MAX_ADJUDICATORS,
        even_last: bool = False,
    ) -> Erased | Replayed:
        return self._erase(subject_id, reference_id, audit, idempotency, reply, adjudicators, even_last)

    def _erase(
        self,
        subject_id: str,
        reference_id: int | None,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyToErasure,
        adjudicators: int,
        even_last: bool = False,
    ) -> Erased | Replayed:
        """Erase a subject, or one of its references: ``even_last`` with the subject, if it is the last."""
        with self.database.writing() as connection:
            if replayed := claimed(connection, idempotency):
                return replayed
            connection.exclusive("gallery_change")
            key_id, fingerprint = erasures.key_of(connection, subject_id)
            going, last = _going(connection, subject_id, reference_id)
            if last and not even_last:
                raise LastReference
            announce(connection, [number for number, *_ in going])
            released: dict[int, str] = {}
            if reference_id is None or last:
                if not connection.execute("DELETE FROM subject WHERE subject_id = ?", (subject_id,)):
                    raise UnknownSubject
                attempts.forget(connection, subject_id)
                verdicts.forget(connection, subject_id)
                audit = msgspec.structs.replace(audit, reference_id=None, data_key=fingerprint.hex() or None)
                for case_id in cases.open_with(connection, subject_id):
                    if freed := verdicts.conclude(connection, case_id, adjudicators):
                        released[case_id] = freed
                cases.close_empty(connection, subject_id)
            else:
                cases.stand_in(connection, subject_id, reference_id)
                connection.execute("DELETE FROM reference WHERE reference_id = ?", (reference_id,))
            digest = append_audit(connection, audit)
            for case_id, freed in released.items():
                append_audit(connection, _release(audit, case_id, freed))
            erased = Erased(
                subject_id=subject_id,
                request_id=audit.request_id,
                caller=audit.caller,
                erased_at=audit.time,
                key_id=key_id,
                fingerprint=fingerprint,
                references=len(going),
                photos=sum(bool(photo) for _, _, photo in going),
                audit_digest=digest,
                reference_id=reference_id,
                enrolled_at=None if reference_id is None else going[0][1],
            )
            erasures.remember(connection, erased)
            remember(connection, idempotency, lambda: reply(erased))
        self.database.scrub()
        return erased

    def set_groups(self, subject_id: str, groups: Sequence[str], audit: AuditRecord) -> None:
        with self.database.writing() as connection:
            # As every writer of subjects: none is deleted meanwhile, and nobody waits in a circle.
            connection.exclusive("gallery_change")
            if not connection.row("SELECT 1 FROM subject WHERE subject_id = ?", (subject_id,)):
                raise UnknownSubject
            before = _groups(connection, subject_id)
            connection.execute("DELETE FROM subject_group WHERE subject_id = ?", (subject_id,))
            _insert_groups(connection, subject_id, groups)
            # A name is no other one in JSON, whatever it is.
            said = (
                msgspec.json.encode(names).decode() for names in (before, _groups(connection, subject_id))
            )
            note = "; ".join([" -> ".join(said), *([audit.note] if audit.note else [])])
            append_audit(connection, msgspec.structs.replace(audit, note=note))

    def _keep_photo(self, connection: Connection, reference_id: int, new: NewReference) -> None:
        if new.photo is not None:
            self.photos.insert(connection, reference_id, new.subject_id, new.photo)

    def append_audit(
        self, record: AuditRecord, attempt: Attempt | None = None, *, compared: Collection[int] | None = None
    ) -> bytes:
        with self.database.writing() as connection:
            if attempt is not None:
                # Before the audit, whose lock is the last one.
                attempts.count(connection, attempt)
            digest = append_audit(connection, record)
            # Behind that lock: a deletion with a row before this one is complete, and is seen.
            if compared is not None and not _present(connection, record, compared).issuperset(compared):
                raise UnknownReference
            return digest

    def set_gallery_position(self, name: str, sequence: int) -> None:
        with self.database.writing() as connection:
            connection.execute(
                "INSERT INTO gallery_position VALUES (?, ?)"
                " ON CONFLICT (name) DO UPDATE SET sequence = excluded.sequence",
                (name, sequence),
            )

    # --- reads --------------------------------------------------------------------------------------

    def check_attempts(self, made: Attempts) -> None:
        with self.database.reading() as connection:
            attempts.check(connection, made)

    def subject(self, subject_id: str) -> SubjectRecord:
        with self.database.reading() as connection:
            row = connection.row(
                "SELECT subject_id, created_at, held FROM subject WHERE subject_id = ?", (subject_id,)
            )
            if row is None:
                raise UnknownSubject
            groups = _groups(connection, subject_id)
        return SubjectRecord(row[0], row[1], bool(row[2]), groups)

    def subjects(self, *, after: str, limit: int) -> list[str]:
        with self.database.reading() as connection:
            rows = connection.rows(
                "SELECT subject_id FROM subject WHERE subject_id > ? ORDER BY subject_id LIMIT ?",
                (after, limit),
            )
        return [subject_id for (subject_id,) in rows]

    def references(self, subject_id: str) -> list[Reference]:
        with self.database.reading() as connection:
            rows = connection.rows(
                f"SELECT {templates.COLUMNS}, quality FROM {SERVING} LEFT JOIN subject_key USING (subject_id)"
                " WHERE subject_id = ? ORDER BY reference_id",
                (subject_id,),
            )
        if not rows:
            raise UnknownSubject
        return [self._reference(row) for row in rows]

    def templates(self, subject_id: str, *, not_before: float = 0.0) -> list[Template]:
        return list(self.templates_of(subject_id, not_before=not_before).values())

    def templates_of(self, subject_id: str, *, not_before: float = 0.0) -> dict[int, Template]:
        with self.database.reading() as connection:
            rows = connection.rows(
                f"SELECT {templates.COLUMNS}, held FROM {_ACTIVE} WHERE subject_id = ? ORDER BY reference_id",
                (subject_id,),
            )
        held = bool(rows) and rows[0][-1]
        recent = [row for *row, _ in rows if row[-1] >= not_before]
        if held or not recent:
            # By its time nobody is to learn that nothing is opened here.
            templates.opened(self.vault, *self._decoy)
            raise SubjectHeld if held else ReferenceTooOld if rows else UnknownSubject
        return {row[0]: templates.opened(self.vault, *row) for row in recent}

    def owners(self, reference_ids: Sequence[int], *, not_before: float = 0.0) -> dict[int, str]:
        found: dict[int, str] = {}
        with self.database.reading() as connection:
            for some in chunks([int(reference_id) for reference_id in reference_ids]):
                found.update(
                    connection.rows(
                        "SELECT reference_id, subject_id FROM reference JOIN subject USING (subject_id)"
                        f" WHERE held = 0 AND reference.created_at >= ? AND reference_id IN ({marks(some)})",
                        [not_before, *some],
                    )
                )
        return found

    def templates_by_id(self, reference_ids: Sequence[int]) -> dict[int, Template]:
        found: dict[int, Template] = {}
        with self.database.reading() as connection:
            for some in chunks([int(reference_id) for reference_id in reference_ids]):
                for row in connection.rows(
                    f"SELECT {templates.COLUMNS} FROM {_ACTIVE}"
                    f" WHERE held = 0 AND reference_id IN ({marks(some)})",
                    some,
                ):
                    found[row[0]] = templates.opened(self.vault, *row)
        return found

    def reference_ids(self, *, subjects: Sequence[str] = (), groups: Sequence[str] = ()) -> Within:
        ids: list[int] = []
        with self.database.reading() as connection:
            for column, source, values in (
                ("subject_id", "subject", list(subjects)),
                ("name", "subject_group JOIN subject USING (subject_id)", list(groups)),
            ):
                for some in chunks(values):
                    ids += (
                        reference_id
                        for (reference_id,) in connection.rows(
                            f"SELECT reference_id FROM {source} JOIN reference USING (subject_id)"
                            f" WHERE held = 0 AND {column} IN ({marks(some)})",
                            some,
                        )
                    )
        return np.unique(np.array(ids, dtype=np.int64))

    def audit_head(self) -> tuple[int, str]:
        with self.database.reading() as connection:
            row = connection.row("SELECT audit_id, digest FROM audit ORDER BY audit_id DESC LIMIT 1")
        return (int(row[0]), bytes(row[1]).hex()) if row and row[1] else (0, "")

    def has_audit(self, audit_id: int, digest: str) -> bool:
        if not digest:
            return True
        with self.database.reading() as connection:
            row = connection.row("SELECT digest FROM audit WHERE audit_id = ?", (audit_id,))
        return row is not None and row[0] is not None and bytes(row[0]).hex() == digest

    def all_templates(self) -> tuple[int, Iterator[tuple[int, Template]]]:
        # A change between the two statements is seen twice and applied once: adding a known id and
        # removing an unknown one are both without effect in a gallery.
        last = self.newest_change()

        def found() -> Iterator[tuple[int, Template]]:
            with self.database.reading() as connection:
                for row in connection.stream(
                    f"SELECT {templates.COLUMNS} FROM {_ACTIVE} WHERE held = 0 ORDER BY reference_id"
                ):
                    yield row[0], templates.opened(self.vault, *row)

        return last, found()

    def newest_reference(self) -> int:
        with self.database.reading() as connection:
            row = connection.row("SELECT coalesce(max(reference_id), 0) FROM reference")
        assert row is not None
        return int(row[0])

    def active_references(self) -> int:
        with self.database.reading() as connection:
            row = connection.row(
                "SELECT count(*) FROM reference JOIN subject USING (subject_id) WHERE held = 0"
            )
        assert row is not None
        return int(row[0])

    def newest_change(self) -> int:
        with self.database.reading() as connection:
            row = connection.row("SELECT coalesce(max(sequence), 0) FROM gallery_change")
        assert row is not None
        return int(row[0])

    def changes(self, *, after: int, limit: int) -> list[Change]:
        with self.database.reading() as connection:
            return _changes(connection, self.vault, after, limit)

    def gallery_position(self, name: str) -> int | None:
        with self.database.reading() as connection:
            row = connection.row("SELECT sequence FROM gallery_position WHERE name = ?", (name,))
        return None if row is None else int(row[0])

    def ping(self) -> None:
        with self.database.reading() as connection:
            connection.row("SELECT 1 FROM subject LIMIT 1")
        if self.database.full:
            with self.database.writing() as connection:
                connection.execute("UPDATE store_identity SET identity = identity")

    def counts(self) -> Counts:
        with self.database.reading() as connection:
            found = [
                connection.row(f"SELECT count(*) FROM {table}") for table in ("subject", "reference", "audit")
            ]
        return Counts(*(row[0] for row in found if row))

    def close(self) -> None:
        self.database.close()

    # --- inside -------------------------------------------------------------------------------------

    def _reference(self, row: Row) -> Reference:
        *stored, quality = row
        return Reference(
            row[0],
            row[1],
            templates.opened(self.vault, *stored),
            msgspec.json.decode(quality, type=tuple[QualityMeasure, ...]),
            stored[-1],
        )


# --- inside a transaction, for the files beside this one ---------------------------------------------


def insert_subject(
    connection: Connection, vault: Vault, new: NewReference, *, groups: Sequence[str] = (), held: bool = False
) -> Reference | None:
    """A subject with its first reference; None if there is one of that id already."""
    # First: of two writers, one with the lock and one with the subject, each would wait for the other.
    connection.exclusive("gallery_change")
    added = connection.execute(
        "INSERT INTO subject (subject_id, created_at, held) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (new.subject_id, new.created_at, int(held)),
    )
    if not added:
        return None
    _insert_groups(connection, new.subject_id, groups)
    return _insert_reference(connection, vault.add_key(connection, new.subject_id), new, held=held)


def _present(connection: Connection, record: AuditRecord, compared: Collection[int]) -> set[int]:
    """The references of the record's subject that there are, or those of a search.

    The look is taken for a subject who is not enrolled, too: time follows from work.
    """
    if record.subject_id is not None:
        rows = connection.rows(
            "SELECT reference_id FROM reference WHERE subject_id = ?", (record.subject_id,)
        )
        return {reference_id for (reference_id,) in rows}
    return {
        reference_id
        for some in chunks(list(compared))
        for (reference_id,) in connection.rows(
            f"SELECT reference_id FROM reference WHERE reference_id IN ({marks(some)})", some
        )
    }


def _release(deletion: AuditRecord, case_id: int, subject_id: str) -> AuditRecord:
    """That a held subject became active by a deletion, under the request of that."""
    return AuditRecord(
        time=deletion.time,
        request_id=deletion.request_id,
        caller=deletion.caller,
        operation="adjudicate",
        outcome="RELEASED",
        subject_id=subject_id,
        case_id=case_id,
    )


def _insert_groups(connection: Connection, subject_id: str, groups: Sequence[str]) -> None:
    connection.execute_many(
        "INSERT INTO subject_group VALUES (?, ?)", [(name, subject_id) for name in sorted(set(groups))]
    )


def _groups(connection: Connection, subject_id: str) -> tuple[str, ...]:
    rows = connection.rows("SELECT name FROM subject_group WHERE subject_id = ? ORDER BY name", (subject_id,))
    return tuple(name for (name,) in rows)


def _going(connection: Connection, subject_id: str, reference_id: int | None) -> tuple[list[Row], bool]:
    """What is to be erased: all references, or this one, and then whether the subject has no other.

    Of each its id, the time of its enrolment and whether a photo is kept.

    Raises:
        UnknownReference.
    """
    rows = connection.rows(
        "SELECT reference.reference_id, reference.created_at, photo.reference_id IS NOT NULL FROM reference"
        " LEFT JOIN photo ON photo.reference_id = reference.reference_id"
        " WHERE subject_id = ? ORDER BY reference.reference_id",
        (subject_id,),
    )
    if reference_id is None:
        return rows, False
    going = [row for row in rows if row[0] == reference_id]
    if not going:
        raise UnknownReference
    return going, len(rows) == 1


def insert_reference(connection: Connection, vault: Vault, new: NewReference, *, held: bool) -> Reference:
    """A reference, and the news of it for every gallery unless its subject is held."""
    return _insert_reference(connection, vault.key(connection, new.subject_id), new, held=held)


def _insert_reference(connection: Connection, key: SubjectKey, new: NewReference, *, held: bool) -> Reference:
    kept, beside = migration.placed(connection, new.template, new.second)
    row = connection.row(
        "INSERT INTO reference (subject_id, model_id, embedding, quality, created_at, sealed)"
        " VALUES (?, ?, ?, ?, ?, 1) RETURNING reference_id",
        (
            new.subject_id,
            kept.model_id,
            templates.sealed(key, kept.model_id, new.created_at, codec.pack(kept)),
            msgspec.json.encode(new.quality).decode(),
            new.created_at,
        ),
    )
    assert row is not None
    if beside:
        shadow.insert(connection, [shadow.sealed(key, row[0], new.created_at, beside)])
    if not held:
        announce(connection, [row[0]])
    return Reference(int(row[0]), new.subject_id, new.template, new.quality, new.created_at)


def _judged(connection: Connection, vault: Vault, gate: Gate | None) -> Sequence[Suspicion]:
    if gate is None:
        return ()
    connection.exclusive("gallery_change")
    changes: list[Change] = []
    after = gate.seen
    while some := _changes(connection, vault, after, _CHANGES_AT_ONCE):
        changes += some
        after = some[-1].sequence
    return gate.judge(changes)


def _changes(connection: Connection, vault: Vault, after: int, limit: int) -> list[Change]:
    rows = connection.rows(
        # Without brackets around the joins, for which SQLite would read all references first.
        f"SELECT sequence, gallery_change.reference_id, subject.subject_id, {SERVING_COLUMNS}"
        " FROM gallery_change"
        " LEFT JOIN reference ON reference.reference_id = gallery_change.reference_id"
        f" LEFT JOIN {SERVING_SHADOW}"
        " LEFT JOIN subject ON subject.subject_id = reference.subject_id AND held = 0"
        " LEFT JOIN subject_key ON subject_key.subject_id = reference.subject_id"
        " WHERE sequence > ? ORDER BY sequence LIMIT ?",
        (after, limit),
    )
    return [
        Change(
            sequence,
            reference_id,
            None if subject_id is None else templates.opened(vault, *stored),
            subject_id,
        )
        for sequence, reference_id, subject_id, *stored in rows
    ]


def claimed(connection: Connection, idempotency: Idempotency | None) -> Replayed | None:
    """The kept reply; without one, the key belongs to this transaction, and another with it waits."""
    if idempotency is None:
        return None
    connection.exclusive(f"idempotency {idempotency.key}")
    return _recall(connection, idempotency)


def _recall(connection: Connection, idempotency: Idempotency) -> Replayed | None:
    row = connection.row(
        "SELECT request_digest, reply FROM idempotency WHERE key = ? AND created_at >= ?",
        (idempotency.key, time.time() - IDEMPOTENCY_SECONDS),
    )
    if row is None:
        return None
    if row[0] != idempotency.request_digest:
        raise IdempotencyKeyReused
    return Replayed(bytes(row[1]))


def remember(connection: Connection, idempotency: Idempotency | None, reply: Callable[[], bytes]) -> None:
    """Keep the reply for whoever asks again under this key."""
    if idempotency is None:
        return
    now = time.time()
    connection.execute("DELETE FROM idempotency WHERE created_at < ?", (now - IDEMPOTENCY_SECONDS,))
    connection.execute(
        "INSERT INTO idempotency VALUES (?, ?, ?, ?)",
        (idempotency.key, idempotency.request_digest, reply(), now),
    )


def chunks(values: Sequence[Value]) -> Iterator[Sequence[Value]]:
    """A statement takes a limited number of parameters."""
    for start in range(0, len(values), _IDS_AT_ONCE):
        yield values[start : start + _IDS_AT_ONCE]


def marks(values: Sequence[Value]) -> str:
    return ",".join("?" * len(values))
