"""What a caller and a citizen can keep of a decision: a signed statement without photo, template or name."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.errors import InvalidReceipt
from govid.ledger.signing import ISSUER, Signer, Verifier

KIND = "govid-receipt+jws"


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of a receipt."""

    iss: str
    jti: Annotated[str, Meta(description="Request id: under it the audit has the decision")]
    iat: Annotated[int, Meta(description="Time of the decision, seconds since the epoch")]
    caller: Annotated[str, Meta(description="Relying party that asked")]
    operation: str
    use_case: str
    decision: str
    models: Annotated[dict[str, str], Meta(description="SHA-256 of each model that took part, by its name")]
    subject: Annotated[
        str | None, Meta(description="Pseudonym: the same for one subject, and only govid can make it")
    ] = None
    fmr_target: float | None = None
    policy: Annotated[str | None, Meta(description="Use case with version and digest")] = None
    calibration: str | None = None
    audit: Annotated[str, Meta(description="Digest of the audit row, hexadecimal")]


def issue(signer: Signer, record: AuditRecord, digest: bytes, models: dict[str, str]) -> str:
    """The receipt of an audited decision, as a compact JWS.

    Args:
        digest: of the audit row, 32 bytes.
        models: digests by name.
    """
    receipt = Receipt(
        iss=ISSUER,
        jti=record.request_id,
        iat=int(record.time),
        caller=record.caller or "",
        operation=record.operation,
        use_case=record.use_case or "",
        decision=record.outcome,
        models=models,
        subject=signer.pseudonym(record.subject_id) if record.subject_id else None,
        fmr_target=record.fmr_target,
        policy=record.policy,
        calibration=record.calibration_id,
        audit=digest.hex(),
    )
    return signer.sign(KIND, receipt)


def read(verifier: Verifier, token: str) -> Receipt:
    """The claims of a receipt.

    Raises:
        InvalidReceipt: it is not one of this installation, or it was altered.
    """
    try:
        return msgspec.convert(verifier.verify(KIND, token), Receipt)
    except msgspec.ValidationError as error:
        raise InvalidReceipt from error
