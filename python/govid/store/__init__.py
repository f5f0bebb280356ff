"""The records: who is enrolled with which templates, and what was decided. They are the truth.

The gallery is rebuilt from them; whatever is acknowledged is on disk first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeAlias

from govid.audit import AuditRecord
from govid.gallery import Within
from govid.lockout import Attempt, Attempts
from govid.store.database import Database
from govid.store.photos import KeptPhoto, Photos
from govid.types import QualityMeasure, Reference, Template

if TYPE_CHECKING:
    from govid.store.erasures import Erased
    from govid.vault.vault import Vault


@dataclass(frozen=True, slots=True)
class NewReference:
    """A reference before it has an id."""

    subject_id: str
    template: Template
    quality: tuple[QualityMeasure, ...]
    created_at: float
    photo: KeptPhoto | None = None
    second: Template | None = None
    """The same face by the other model of a migration."""


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """One enrolled person. ``created_at`` is seconds since the epoch (UTC)."""

    subject_id: str
    created_at: float
    held: bool
    """Whether a person has yet to decide if somebody else is the same person."""
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """An enrolled reference that looks like a new one's face."""

    subject_id: str
    reference_id: int
    score: float


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for one write, and the digest of what was asked under it."""

    key: str
    request_digest: str

    @classmethod
    def of(cls, key: str | None, caller: str, *asked: bytes) -> Idempotency | None:
        """That of a call, of which ``asked`` is all that is asked; None without a key.

        Each caller has its own keys: nobody can use up, or ask for the reply of, another's.
        """
        if key is None:
            return None
        digest = hashlib.sha256()
        for part in asked:
            digest.update(len(part).to_bytes(8, "big") + part)
        return cls(f"{caller} {key}", digest.hexdigest())


@dataclass(frozen=True, slots=True)
class Replayed:
    """The reply kept from the first time this key was used for this request."""

    reply: bytes


ReplyTo: TypeAlias = Callable[[Reference, int | None], bytes]
"""The reply to keep for a stored reference, and for the case that holds it, if one does."""


ReplyToErasure: TypeAlias = Callable[["Erased"], bytes]
"""The reply to keep for a subject that is erased."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A reference that is kept, and the case that holds its subject, if one does."""

    reference: Reference
    case_id: int | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the gallery: a reference came (with its template) or went, or is held (without)."""

    sequence: int
    reference_id: int
    template: Template | None
    subject_id: str | None = None


@dataclass(frozen=True, slots=True)
class Gate:
    """Looks for duplicates inside the transaction of an enrolment, when no other face can come in between."""

    seen: int
    """Number of the last change that the search before the transaction covered."""
    judge: Callable[[Sequence[Change]], Sequence[Suspicion]]
    """From what changed since: why the new subject is held. Raises to refuse it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is stored."""

    subjects: int
    references: int
    audit_records: int


MAX_ADJUDICATORS = 2
"""The most people who may be required to agree on two subjects."""


class Store(Protocol):
    """The record store. Every write is one transaction, durable when the method returns.

    Any method raises StoreUnavailable if the store cannot be reached, and a write StorageFull.
    """

    def recall(self, idempotency: Idempotency) -> Replayed | None:
        """The kept reply, None for a new key; raises IdempotencyKeyReused for another request."""

    database: Database
    """For the tables that have files of their own beside ``records.py``."""
    photos: Photos
    """Of references, where the policy keeps them."""
    vault: Vault
    """Seals and opens what is stored of a face; for the tables that have files of their own."""
    identity: str
    """Made once with the store: what was derived from another one does not fit."""

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
        """Create a subject with its first reference; raises SubjectExists and what the gate raises.

        If the gate has suspicions the subject is held, and a case for a person to decide is opened with it.
        """

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
        """Add a reference; raises UnknownSubject, SubjectHeld, TooManyReferences and what the gate raises.

        Only a whole subject can be held: suspicions of this gate are without effect.
        """

    def delete_subject(
        self,
        subject_id: str,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: ReplyToErasure,
        *,
        adjudicators: int = MAX_ADJUDICATORS,
    ) -> Erased | Replayed:
        """Delete a subject, all its references and the key that opens them; raises UnknownSubject.

        A case that has no pair left but those on which so many ``adjudicators`` agree ends with it. Whoever
        was held for it and is released has an audit record of that.
        """

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
        """Delete one reference, with all that is kept of it. No case ends and nobody is released by it.

        Args:
            even_last: the last one goes with its subject, as by ``delete_subject``. It is remembered as the
                erasure of this reference: where the subject has others, in a newer backup, it stays.

        Raises UnknownReference, also where there is no such subject, and LastReference.
        """

    def set_groups(self, subject_id: str, groups: Sequence[str], audit: AuditRecord) -> None:
        """Let a subject be in these groups and no others; raises UnknownSubject.

        The record's note says, before its own words, which groups those were before, and which they are.
        """

    def subject(self, subject_id: str) -> SubjectRecord:
        """One subject; raises UnknownSubject."""

    def subjects(self, *, after: str, limit: int) -> list[str]:
        """Up to ``limit`` ids of subjects that sort behind ``after``, in order."""

    def references(self, subject_id: str) -> list[Reference]:
        """All references of a subject, oldest first; raises UnknownSubject."""

    def templates_of(self, subject_id: str, *, not_before: float = 0.0) -> dict[int, Template]:
        """The templates of an active subject that were enrolled at that time or later, oldest first, by the
        ids of their references.

        Raises UnknownSubject, SubjectHeld, ReferenceTooOld.
        """

    def templates(self, subject_id: str, *, not_before: float = 0.0) -> list[Template]:
        """The same without the ids."""

    def owners(self, reference_ids: Sequence[int], *, not_before: float = 0.0) -> dict[int, str]:
        """Subject id of each reference that is still there, active and enrolled at that time or later."""

    def templates_by_id(self, reference_ids: Sequence[int]) -> dict[int, Template]:
        """The template of each of these references that still exists and is active."""

    def reference_ids(self, *, subjects: Sequence[str] = (), groups: Sequence[str] = ()) -> Within:
        """All active references of these subjects and of the members of these groups."""

    def append_audit(
        self, record: AuditRecord, attempt: Attempt | None = None, *, compared: Collection[int] | None = None
    ) -> bytes:
        """Count the attempt and keep one audit record; its digest in the chain, 32 bytes.

        Args:
            compared: the references that the record follows from: of its subject, or of those a search found;
                None: it says nothing of any.

        Raises SubjectLocked, or UnknownReference where one of those was deleted before, and keeps neither.
        """

    def check_attempts(self, made: Attempts) -> None:
        """Raises SubjectLocked after too many failed attempts on a subject, whether enrolled or not."""

    def audit_head(self) -> tuple[int, str]:
        """Id and digest, hexadecimal, of the newest audit row; 0 and "" before the chain begins."""

    def has_audit(self, audit_id: int, digest: str) -> bool:
        """Whether the store still has what ``audit_head`` said: not if an older backup replaced it since."""

    def all_templates(self) -> tuple[int, Iterator[tuple[int, Template]]]:
        """A sequence number and every active reference as it stood at that number, by ascending id."""

    def newest_reference(self) -> int:
        """The highest reference id ever given that is still there; 0 without one."""

    def active_references(self) -> int:
        """How many references searches cover, if their model fits."""

    def newest_change(self) -> int:
        """Number of the last change; 0 before the first."""

    def changes(self, *, after: int, limit: int) -> list[Change]:
        """The first ``limit`` changes behind that sequence number, in order."""

    def gallery_position(self, name: str) -> int | None:
        """The change up to which a shared gallery was fed; None before the first time."""

    def set_gallery_position(self, name: str, sequence: int) -> None:
        """Keep that position."""

    def ping(self) -> None:
        """Return if the store answers, and after a write that found no space, if there is some again."""

    def counts(self) -> Counts:
        """How much is stored."""

    def close(self) -> None:
        """Close all connections."""
