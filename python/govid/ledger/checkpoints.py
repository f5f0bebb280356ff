"""Signed statements over the audit: whoever keeps one can prove later that no row it covers was touched."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.errors import AuditBroken, InvalidReceipt
from govid.ledger.chain import GENESIS, Link, expired_by, link
from govid.ledger.expiry import Expiries
from govid.ledger.merkle import root
from govid.ledger.signing import Signer, Verifier
from govid.store.audit import AuditLog

KIND = "govid-checkpoint+jws"
# A tree holds its leaves in memory while it is computed: 64 MB of digests.
MAX_LEAVES = 1 << 20


class Checkpoint(msgspec.Struct, frozen=True, kw_only=True):
    """What is signed. Digests are hexadecimal."""

    iss: str
    iat: int
    first: Annotated[int, Meta(description="Id of the first row it covers")]
    last: int
    rows: int
    root: Annotated[str, Meta(description="Merkle tree hash (RFC 6962) over the digests of these rows")]
    head: Annotated[str, Meta(description="Digest of the last row")]


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What an examination of the audit found."""

    rows: Annotated[int, Meta(description="Rows of the chain, as far as it is intact")]
    head: Annotated[str, Meta(description="Digest of the last intact row")]
    checkpoints: Annotated[int, Meta(description="Checkpoints that agree with the rows")]
    uncovered: Annotated[
        int, Meta(description="Rows behind the last checkpoint: cut off, they leave no trace")
    ]
    expired: Annotated[
        int, Meta(description="Rows whose time was over: their digests are left, as they were signed")
    ] = 0
    broken_at: Annotated[int | None, Meta(description="Id of the first row that is broken")] = None
    reason: str = ""

    @property
    def intact(self) -> bool:
        """Whether nothing is broken."""
        return not self.reason


def make(log: AuditLog, signer: Signer, *, most: int = MAX_LEAVES) -> list[Checkpoint]:
    """Sign the rows behind the last checkpoint, in as many checkpoints as that takes; none without any.

    What comes meanwhile may wait for the next time: it never ends while others append.

    Args:
        most: rows of one checkpoint.

    Raises:
        AuditBroken: the chain is broken there: nothing false is ever signed.
    """
    made: list[Checkpoint] = []
    while (one := _make_one(log, signer, most)) is not None:
        made.append(one)
        if one.rows < most:
            break
    return made


def _make_one(log: AuditLog, signer: Signer, most: int) -> Checkpoint | None:
    first = log.signed_to() + 1
    previous = log.before(first)
    leaves: list[bytes] = []
    ids: list[int] = []
    for row in log.links(first=first):
        if row.digest != link(previous, row.record):
            raise AuditBroken(f"row {row.audit_id}")
        previous = row.digest
        leaves.append(row.digest)
        ids.append(row.audit_id)
        if len(leaves) == most:
            break
    if not leaves:
        return None
    checkpoint = Checkpoint(
        iss="govid",
        iat=int(time.time()),
        first=ids[0],
        last=ids[-1],
        rows=len(leaves),
        root=root(leaves).hex(),
        head=previous.hex(),
    )
    statement = signer.sign(KIND, checkpoint)
    return checkpoint if log.add_checkpoint(ids[0], ids[-1], statement) else None


def examine_log(log: AuditLog, verifier: Verifier) -> Finding:
    """Examine a whole audit in its store, and that each row is filed under what it says."""
    # First, so that no row is covered by one and not read.
    statements = [statement for _, statement in log.checkpoints()]
    found = examine(log.links(), statements, verifier)
    if found.intact and (row := log.misfiled()) is not None:
        reason = "it is not found under what its record says"
        return msgspec.structs.replace(found, broken_at=row, reason=reason)
    return found


def examine(
    rows: Iterable[Link], statements: Sequence[str], verifier: Verifier, *, previous: bytes = GENESIS
) -> Finding:
    """Follow the chain and compare it with each checkpoint; stops at the first thing that is wrong.

    Args:
        rows: in the order of their ids.
        statements: signed checkpoints over these rows, oldest first.
        previous: digest of the row before the first one.
    """
    pending = []
    for statement in statements:
        try:
            claims = verifier.verify(KIND, statement)
            pending.append(msgspec.convert(claims, Checkpoint))
        except (InvalidReceipt, msgspec.ValidationError):
            return _broken(
                0, previous, 0, 0, None, "a checkpoint has no valid signature of this installation"
            )
    pending.reverse()
    count = agreed = behind = last = 0
    leaves: list[bytes] = []
    expiries = Expiries(verifier)
    for row in rows:
        signed = bool(pending) and row.audit_id >= pending[-1].first
        if reason := _fault(row, last, previous, signed=signed) or expiries.see(row):
            return _broken(count, previous, agreed, behind, row.audit_id, reason)
        previous, last = row.digest, row.audit_id
        count, behind = count + 1, behind + 1
        if not pending:
            continue
        if row.audit_id >= pending[-1].first:
            leaves.append(row.digest)
        if row.audit_id >= pending[-1].last:
            checkpoint = pending.pop()
            if (row.audit_id, len(leaves), root(leaves).hex()) != (
                checkpoint.last,
                checkpoint.rows,
                checkpoint.root,
            ):
                reason = f"the rows {checkpoint.first} to {checkpoint.last} are not those that were signed"
                return _broken(count, previous, agreed, behind, checkpoint.first, reason)
            leaves, agreed, behind = [], agreed + 1, 0
    if pending:
        reason = f"rows up to {pending[0].last} were signed and are gone"
        return _broken(count, previous, agreed, behind, last + 1, reason)
    if (row_id := expiries.unsigned) is not None:
        reason = "it was erased, and nothing signed says so"
        return _broken(count, previous, agreed, behind, row_id, reason)
    return Finding(
        rows=count, head=previous.hex(), checkpoints=agreed, uncovered=behind, expired=expiries.rows
    )


def _fault(row: Link, last: int, previous: bytes, *, signed: bool) -> str:
    """Why a row does not follow the one before, or nothing."""
    if row.audit_id <= last:
        return "it stands out of order"
    if expired_by(row.record) is not None:
        # Its digest cannot be computed any more, but it was signed.
        return "" if signed else "it was erased before it was signed"
    if row.digest != link(previous, row.record):
        return "it, or the row before it, was altered, moved or removed"
    return ""


def _broken(rows: int, head: bytes, agreed: int, behind: int, at: int | None, reason: str) -> Finding:
    return Finding(
        rows=rows, head=head.hex(), checkpoints=agreed, uncovered=behind, broken_at=at, reason=reason
    )
