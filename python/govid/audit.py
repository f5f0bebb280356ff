"""What was asked, what was answered, and on what grounds: the row written before a reply leaves.

A row never holds a photo, an embedding or anything from which a face could be made.
"""

from __future__ import annotations

import uuid

import msgspec


def new_request_id() -> str:
    """A fresh id under which a reply, its audit record and its log lines are found."""
    return str(uuid.uuid4())


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One use of the power to compare faces. ``time`` is seconds since the epoch (UTC)."""

    time: float
    request_id: str
    operation: str
    outcome: str
    """A decision, ``ENROLLED``, ``HELD``, ``DELETED``, ``ERASED``, ``SHOWN``, the reason of a refusal,
    a state of a job or a verdict."""
    caller: str | None = None
    """Name of the relying party that asked."""
    subject_id: str | None = None
    use_case: str | None = None
    policy: str | None = None
    """Use case with version and digest."""
    model_id: str | None = None
    calibration_id: str | None = None
    candidates: tuple[str, ...] = ()
    """All subjects an identification showed, best first, or those a verdict is about."""
    score: float | None = None
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
    """What a step of a migration found, and why an operator forced it."""
    statements: tuple[str, ...] = ()
    """What a retired signing key and its successor say of each other, as signed JWS."""
    shows: str | None = None
    """``decision`` where the use case shows nobody more than that."""
    salt: str = ""
    """Drawn for this row as it is appended: receipts show digests of rows, and whoever knows all of a record
    but its score or its subject could otherwise find those by trying."""
