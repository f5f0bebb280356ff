"""The records: who is enrolled with which templates, and what was decided. They are the truth.

The gallery is rebuilt from them; whatever is acknowledged is on disk first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from govid.audit import AuditRecord
from govid.types import QualityMeasure, Reference, Template


@dataclass(frozen=True, slots=True)
class NewReference:
    """A reference before it has an id."""

    subject_id: str
    template: Template
    quality: tuple[QualityMeasure, ...]
    created_at: float


@dataclass(frozen=True, slots=True)
class SubjectRecord:
    """One enrolled person. ``created_at`` is seconds since the epoch (UTC)."""

    subject_id: str
    created_at: float


@dataclass(frozen=True, slots=True)
class Idempotency:
    """A caller's key for one write, and the digest of what was asked under it."""

    key: str
    request_digest: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """The reply kept from the first time this key was used for this request."""

    reply: bytes


@dataclass(frozen=True, slots=True)
class Change:
    """One step of the gallery: a reference came (with its template) or went (without)."""

    sequence: int
    reference_id: int
    template: Template | None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is stored."""

    subjects: int
    references: int
    audit_records: int


class Store(Protocol):
    """The record store. Every write is one transaction, durable when the method returns.

    Any method raises StoreUnavailable if the store cannot be reached, and a write StorageFull.
    """

    def recall(self, idempotency: Idempotency) -> Replayed | None:
        """The kept reply, None for a new key; raises IdempotencyKeyReused for another request."""

    def add_subject(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: Callable[[Reference], bytes],
    ) -> Reference | Replayed:
        """Create a subject with its first reference; raises SubjectExists."""

    def add_reference(
        self,
        new: NewReference,
        audit: AuditRecord,
        idempotency: Idempotency | None,
        reply: Callable[[Reference], bytes],
        *,
        max_references: int,
    ) -> Reference | Replayed:
        """Add a reference; raises UnknownSubject, TooManyReferences."""

    def delete_subject(
        self, subject_id: str, audit: AuditRecord, idempotency: Idempotency | None, reply: bytes
    ) -> Replayed | None:
        """Delete a subject and all its references; raises UnknownSubject."""

    def subject(self, subject_id: str) -> SubjectRecord:
        """One subject; raises UnknownSubject."""

    def subjects(self, *, after: str, limit: int) -> list[SubjectRecord]:
        """Up to ``limit`` subjects whose id sorts behind ``after``, in order of their ids."""

    def references(self, subject_id: str) -> list[Reference]:
        """All references of a subject, oldest first; raises UnknownSubject."""

    def owners(self, reference_ids: Sequence[int]) -> dict[int, str]:
        """Subject id of each reference that still exists."""

    def append_audit(self, record: AuditRecord) -> None:
        """Keep one audit record."""

    def all_templates(self) -> tuple[int, Iterator[tuple[int, Template]]]:
        """A sequence number and every reference as it stood at that number."""

    def changes(self, *, after: int) -> list[Change]:
        """What changed behind that sequence number, in order."""

    def identity(self) -> str:
        """A word of letters and digits that no other store has: it marks what was made from this one."""

    def ping(self) -> None:
        """Return if the store answers."""

    def counts(self) -> Counts:
        """How much is stored."""

    def close(self) -> None:
        """Close all connections."""
