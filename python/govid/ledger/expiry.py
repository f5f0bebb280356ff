"""What the audit says of a decision, erased after its time, and the chain that holds all the same.

A row keeps its digest, and a mark instead of its record. The digest is a leaf of the checkpoint that was
signed over it, so nothing moves; and it tells nothing, because a record holds a salt that goes with it. Which
rows were erased, and by which rule, is signed in the audit record of the expiry: whoever can only write to
the database cannot pass off the removal of a use as one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.errors import InvalidReceipt
from govid.ledger.chain import Link, expired_by
from govid.ledger.signing import ISSUER, Signer, Verifier

KIND = "govid-expiry+jws"
OPERATION = "retention"
_RETENTION = f'"operation":"{OPERATION}"'.encode()


class Expiry(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed of the rows erased in one transaction."""

    iss: str
    iat: int
    jti: Annotated[str, Meta(description="Request id of its audit record, which each of its rows names")]
    use_case: str
    before: Annotated[float, Meta(description="All of the rows were older; seconds since the epoch")]
    rows: int
    digest: Annotated[str, Meta(description="SHA-256 over the digests of the rows in their order")]


def statement(
    signer: Signer, expiry_id: str, digests: Sequence[bytes], *, use_case: str, before: float, now: float
) -> str:
    """The signed statement for the audit record of an expiry.

    Args:
        digests: of the rows, in the order of their ids.
    """
    claims = Expiry(
        iss=ISSUER,
        iat=int(now),
        jti=expiry_id,
        use_case=use_case,
        before=before,
        rows=len(digests),
        digest=hashlib.sha256(b"".join(digests)).hexdigest(),
    )
    return signer.sign(KIND, claims)


class _Rows:
    """The rows of one expiry, as far as they were read."""

    __slots__ = ("count", "digest", "first")

    def __init__(self, first: int) -> None:
        self.first, self.count, self.digest = first, 0, hashlib.sha256()


class Expiries:
    """Compares erased rows, as they come, with what was signed of them further on."""

    def __init__(self, verifier: Verifier, retired: Collection[str] = ()) -> None:
        """
        Args:
            retired: ids of the keys that sign no more at the row that is seen; grows with the rows.
        """
        self._verifier, self._retired = verifier, retired
        self._open: dict[str, _Rows] = {}
        self.rows = 0

    def see(self, row: Link) -> str:
        """Take the next row of the audit; why it is wrong, or nothing."""
        if (expiry_id := expired_by(row.record)) is not None:
            rows = self._open.setdefault(expiry_id, _Rows(row.audit_id))
            rows.digest.update(row.digest)
            rows.count += 1
            self.rows += 1
        elif _RETENTION in row.record:
            try:
                record = msgspec.json.decode(row.record, type=AuditRecord)
            except msgspec.MsgspecError:
                return "it is no record"
            if record.operation == OPERATION and record.statement and not self._agrees(record):
                return "the rows that it erased are not those that were signed"
        return ""

    @property
    def unsigned(self) -> int | None:
        """The first row that was erased and that no statement behind it is about."""
        return min((rows.first for rows in self._open.values()), default=None)

    def _agrees(self, record: AuditRecord) -> bool:
        assert record.statement is not None
        rows = self._open.pop(record.request_id, None)
        try:
            expiry = msgspec.convert(self._verifier.verify(KIND, record.statement), Expiry)
            if self._verifier.signed_by(record.statement) in self._retired:
                return False  # whatever its date: a thief of an old key writes any
        except (InvalidReceipt, msgspec.ValidationError):
            return False
        return rows is not None and (record.request_id, rows.count, rows.digest.hexdigest()) == (
            expiry.jti,
            expiry.rows,
            expiry.digest,
        )
