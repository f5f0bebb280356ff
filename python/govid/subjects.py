"""What is asked of enrolled subjects without a look at a face: neither a model nor a gallery is needed.

Each change is one transaction with its audit record, and what is refused leaves one, too. Galleries follow by
the news in the records: those of the process that changes them sooner if it tells them (``Search.announce``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import msgspec

from govid import subject_id
from govid.audit import AuditRecord, new_request_id
from govid.callers import LOCAL, Caller
from govid.errors import CallerError, InvalidParameter
from govid.ledger.ledger import Ledger
from govid.results import Deletion, ReferenceDeletion, ReferenceSummary, Subject, SubjectGroups, SubjectPage
from govid.store import MAX_ADJUDICATORS, Idempotency, Replayed, ReplyToErasure, Store
from govid.store.database import MAX_INTEGER
from govid.store.erasures import Erased

MAX_PAGE = 1000
Gone = TypeVar("Gone", bound=Deletion)


def subject(store: Store, subject: str) -> Subject:
    """What is held on a subject, without its templates.

    Raises:
        UnknownSubject, InvalidSubjectId, OperatorError.
    """
    record = store.subject(subject_id.checked(subject))
    photos = store.photos.kept_until(subject)
    return Subject(
        subject_id=record.subject_id,
        created_at=record.created_at,
        held=record.held,
        groups=record.groups,
        references=tuple(
            ReferenceSummary(
                reference_id=r.reference_id,
                model_id=r.template.model_id,
                created_at=r.created_at,
                quality=r.quality,
                photo_kept_until=photos.get(r.reference_id),
            )
            for r in store.references(subject)
        ),
    )


def page(store: Store, *, after: str = "", limit: int = 100) -> SubjectPage:
    """Ids of subjects in order, ``limit`` (1 to 1000) at a time, behind ``after``.

    Raises:
        InvalidParameter, InvalidSubjectId, OperatorError.
    """
    if not 1 <= limit <= MAX_PAGE:
        raise InvalidParameter(f"limit is {limit}, allowed are 1 to {MAX_PAGE}")
    if after:
        subject_id.checked(after)  # a store may refuse what no id holds
    found = store.subjects(after=after, limit=limit + 1)
    more = len(found) > limit
    return SubjectPage(subjects=tuple(found[:limit]), next_after=found[limit - 1] if more else None)


def set_groups(
    store: Store,
    subject: str,
    groups: Sequence[str],
    *,
    request_id: str | None = None,
    caller: Caller = LOCAL,
    login: str = "",
) -> SubjectGroups:
    """Let a subject be in these groups and no others. A search that begins after this returns goes by them.

    Args:
        groups: up to 16 names, as of an enrolment; none: it is in no group.
        login: who does it, as far as this machine knows; for the audit.

    Raises:
        UnknownSubject, InvalidSubjectId, InvalidGroup, OperatorError.
    """
    record = _record("set_groups", "GROUPED", subject, request_id, caller, login)
    with _refusals_audited(store, record):
        asked = subject_id.checked_groups(groups)
        store.set_groups(subject, asked, record)
    return SubjectGroups(request_id=record.request_id, subject_id=subject, groups=asked)


def delete(
    store: Store,
    ledger: Ledger,
    subject: str,
    *,
    adjudicators: int = MAX_ADJUDICATORS,
    idempotency_key: str | None = None,
    request_id: str | None = None,
    caller: Caller = LOCAL,
    login: str = "",
) -> Deletion:
    """Erase a subject: its references, and the key without which no copy of them can be read.

    Args:
        adjudicators: how many people must agree on two subjects (``Store.delete_subject``).
        idempotency_key: the same key and request again returns the first reply and changes nothing.
        login: who does it, as far as this machine knows; for the audit.

    Raises:
        UnknownSubject, InvalidSubjectId, IdempotencyKeyReused, OperatorError.
    """
    record = _record("delete", "DELETED", subject, request_id, caller, login)
    key = Idempotency.of(idempotency_key, caller.name, b"delete", subject.encode(), b"")
    return _erased(
        store,
        ledger,
        record,
        Deletion,
        lambda reply: store.delete_subject(subject, record, key, reply, adjudicators=adjudicators),
    )


def delete_reference(
    store: Store,
    ledger: Ledger,
    subject: str,
    reference_id: int,
    *,
    adjudicators: int = MAX_ADJUDICATORS,
    idempotency_key: str | None = None,
    request_id: str | None = None,
    caller: Caller = LOCAL,
    login: str = "",
) -> ReferenceDeletion:
    """Erase one reference of a subject: its templates and its photo. The arguments are those of ``delete``.

    Raises:
        UnknownReference: there is none of that id, or no such subject.
        LastReference, InvalidSubjectId, IdempotencyKeyReused, OperatorError.
    """
    record = _record("delete_reference", "DELETED", subject, request_id, caller, login)
    if 0 < reference_id <= MAX_INTEGER:
        record = msgspec.structs.replace(record, reference_id=reference_id)
    asked = b"delete_reference", subject.encode(), str(reference_id).encode()
    key = Idempotency.of(idempotency_key, caller.name, *asked)
    return _erased(
        store,
        ledger,
        record,
        ReferenceDeletion,
        lambda reply: store.delete_reference(
            subject, reference_id, record, key, reply, adjudicators=adjudicators
        ),
    )


def _erased(
    store: Store,
    ledger: Ledger,
    record: AuditRecord,
    kind: type[Gone],
    erase: Callable[[ReplyToErasure], Erased | Replayed],
) -> Gone:
    """The reply to an erasure, which is made or was made before under the same key."""

    def deletion(erased: Erased) -> Gone:
        which = {} if erased.reference_id is None else {"reference_id": erased.reference_id}
        receipt = ledger.erasure_receipt(erased)
        return kind(request_id=erased.request_id, subject_id=erased.subject_id, receipt=receipt, **which)

    with _refusals_audited(store, record):
        outcome = erase(lambda erased: msgspec.json.encode(deletion(erased)))
    if isinstance(outcome, Replayed):
        return msgspec.json.decode(outcome.reply, type=kind)
    return deletion(outcome)


def _record(
    operation: str, outcome: str, subject: str, request_id: str | None, caller: Caller, login: str
) -> AuditRecord:
    """What the audit says of a call on a subject; raises InvalidSubjectId."""
    return AuditRecord(
        time=time.time(),
        request_id=request_id or new_request_id(),
        caller=caller.name,
        operation=operation,
        outcome=outcome,
        subject_id=subject_id.checked(subject),
        note=f"by the login {login}" if login else None,
    )


@contextmanager
def _refusals_audited(store: Store, record: AuditRecord) -> Iterator[None]:
    """What is refused was an attempt, too."""
    try:
        yield
    except CallerError as error:
        store.append_audit(msgspec.structs.replace(record, outcome=error.slug))
        raise
