"""What was asked, what was answered, and on what grounds: the row written before a reply leaves.

A row never holds a photo, an embedding or anything from which a face could be made.
"""

from __future__ import annotations

import uuid
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.types import Seconds


def new_request_id() -> str:
    """A fresh id under which a reply, its audit record and its log lines are found."""
    return str(uuid.uuid4())


# Their words are in ``govid.audit_words``; no enums, because rows of a later govid may have others.
Operation = Annotated[str, Meta(description="What was asked for")]
Outcome = Annotated[
    str,
    Meta(description="A decision, the reason of a refused photo, the slug of another, or what was done"),
]


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One use of the power to compare faces."""

    time: Seconds
    request_id: str
    operation: Operation
    outcome: Outcome
    caller: str | None = None
    """Name of the relying party that asked."""
    subject_id: str | None = None
    reference_id: int | None = None
    """The one reference that was deleted."""
    use_case: str | None = None
    policy: str | None = None
    """Use case with version and digest."""
    model_id: str | None = None
    calibration_id: str | None = None
    candidates: tuple[str, ...] = ()
    """All subjects an identification showed, best first, or those a verdict is about."""
    score: Annotated[
        float | None, Meta(description="Cosine, -1 to 1; null: none, or not shown to this caller")
    ] = None
    threshold: float | None = None
    fmr_target: float | None = None
    comparisons: int | None = None
    job_id: int | None = None
    case_id: int | None = None
    adjudicator: str | None = None
    """Who decided a case."""
    data_key: str | None = None
    """Fingerprint, hexadecimal, of the key that was destroyed with a subject."""
    about: str | None = None
    """Request id of the decision that was rated or complained of."""
    erased: dict[str, int] | None = None
    """How many of what went because their time was over."""
    statement: str | None = None
    """Signed: which rows of the audit were erased (``govid.ledger.expiry``)."""
    note: str | None = None
    """What a step of a migration found, and why an operator forced it; what an API key may do; which attempts
    an operator forgot; by which login something was done on this machine; the groups of a subject before and
    after."""
    statements: tuple[str, ...] = ()
    """What a retired signing key and its successor say of each other, as signed JWS."""
    shows: str | None = None
    """``decision`` where the use case shows nobody more than that."""
    salt: str = ""
    """Drawn for this row as it is appended: receipts show digests of rows, and whoever knows all of a record
    but its score or its subject could otherwise find those by trying."""
