"""The kept photos of a case, for whoever decides it. Each look leaves a record, and so does each attempt."""

from __future__ import annotations

import time

from govid.audit import AuditRecord
from govid.callers import LOCAL, Caller
from govid.errors import CallerError, CaseClosed, PhotoNotKept, UnknownCase
from govid.store import Store, cases
from govid.store.audit import append
from govid.store.database import MAX_INTEGER, Connection
from govid.store.photos import KeptPhoto, ReferencePhoto


def case_photo(
    store: Store, case_id: int, reference_id: int, *, request_id: str, caller: Caller = LOCAL
) -> KeptPhoto:
    """The photo of a reference of an open case. The audit record is on disk before it is returned.

    The case is the reason to look: without one that is open, nobody is shown a photo.

    Raises:
        UnknownCase, CaseClosed, OperatorError.
        PhotoNotKept: none is kept, or the reference is of no pair of the case: both look alike.
    """
    shown: ReferencePhoto | None = None
    refusal: CallerError | None = None
    with store.database.writing() as connection:
        try:
            shown = _photo(store, connection, case_id, reference_id)
        except (UnknownCase, CaseClosed, PhotoNotKept) as error:
            refusal = error
        record = AuditRecord(
            time=time.time(),
            request_id=request_id,
            caller=caller.name,
            operation="view_photo",
            outcome=refusal.slug if refusal else "SHOWN",
            subject_id=shown.subject_id if shown else None,
            case_id=case_id if 0 < case_id <= MAX_INTEGER else None,
        )
        append(connection, record)
    if shown is None:
        assert refusal is not None
        raise refusal
    return shown.photo


def _photo(store: Store, connection: Connection, case_id: int, reference_id: int) -> ReferencePhoto:
    case = cases.case(connection, case_id) if 0 < case_id <= MAX_INTEGER else None
    if case is None:
        raise UnknownCase
    if case.closed_at is not None:
        raise CaseClosed
    pairs = cases.pairs(connection, case_id)
    if reference_id not in {
        reference for pair in pairs for reference in (pair.reference_a, pair.reference_b)
    }:
        raise PhotoNotKept
    return store.photos.of_reference(connection, reference_id)
