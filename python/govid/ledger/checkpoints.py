"""Signed statements over the audit: whoever keeps one can prove later that no row it covers was touched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.errors import AuditBroken, InvalidReceipt
from govid.ledger.chain import GENESIS, Link, expired_by, link
from govid.ledger.expiry import Expiries
from govid.ledger.merkle import root
from govid.ledger.rotation import is_rotation, retired_by
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
    return checkpoint if log.add_checkpoint(ids[0], ids[-1], statement, since=signer.since) else None


def examine_log(log: AuditLog, verifier: Verifier, at_row: Callable[[], None] = lambda: None) -> Finding:
    """Examine a whole audit in its store, and that each row is filed under what it says.

    ``at_row`` is called at each row that is read.
    """
    # First, so that no row is covered by one and not read.
    statements = [statement for _, statement in log.checkpoints()]
    found = examine(log.links(at_row=at_row), statements, verifier)
    if found.intact and (row := log.misfiled(at_row)) is not None:
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
    walk = _Walk(verifier, previous)
    try:
        walk.expect(statements)
        for row in rows:
            walk.step(row)
        walk.end()
    except _Broken as broken:
        return walk.finding(broken.at, str(broken))
    return walk.finding()


class _Broken(Exception):
    def __init__(self, at: int | None, reason: str) -> None:
        super().__init__(reason)
        self.at = at


class _Walk:
    """Along the chain, with the checkpoints that are still to come."""

    def __init__(self, verifier: Verifier, previous: bytes) -> None:
        self._verifier = verifier
        self._head = previous
        self._pending: list[tuple[str, Checkpoint]] = []
        self._leaves: list[bytes] = []
        self._retired: set[str] = set()
        self._expiries = Expiries(verifier, self._retired)
        self._rows = self._agreed = self._behind = self._last = 0

    def finding(self, at: int | None = None, reason: str = "") -> Finding:
        return Finding(
            rows=self._rows,
            head=self._head.hex(),
            checkpoints=self._agreed,
            uncovered=self._behind,
            expired=self._expiries.rows,
            broken_at=at,
            reason=reason,
        )

    def expect(self, statements: Sequence[str]) -> None:
        """Of the last one first, as they are taken from the end."""
        try:
            for statement in reversed(statements):
                checkpoint = msgspec.convert(self._verifier.verify(KIND, statement), Checkpoint)
                self._pending.append((self._verifier.signed_by(statement), checkpoint))
        except (InvalidReceipt, msgspec.ValidationError):
            reason = "a checkpoint has no valid signature of this installation"
            raise _Broken(None, reason) from None

    def step(self, row: Link) -> None:
        if reason := self._fault(row) or self._expiries.see(row):
            raise _Broken(row.audit_id, reason)
        self._head, self._last = row.digest, row.audit_id
        self._rows, self._behind = self._rows + 1, self._behind + 1
        if is_rotation(row.record):
            self._retire(row)
        if self._pending and row.audit_id >= self._pending[-1][1].first:
            self._leaves.append(row.digest)
        if self._pending and row.audit_id >= self._pending[-1][1].last:
            self._compare(row.audit_id, *self._pending.pop())

    def _fault(self, row: Link) -> str:
        """Why a row does not follow the one before, or nothing."""
        if row.audit_id <= self._last:
            return "it stands out of order"
        if expired_by(row.record) is not None:
            # Its digest cannot be computed any more, but it was signed.
            signed = self._pending and row.audit_id >= self._pending[-1][1].first
            return "" if signed else "it was erased before it was signed"
        if row.digest != link(self._head, row.record):
            return "it, or the row before it, was altered, moved or removed"
        return ""

    def _retire(self, row: Link) -> None:
        try:
            self._retired.add(retired_by(self._verifier, row.record, self._retired))
        except InvalidReceipt:
            reason = "a signing key was changed, and not by the keys of this installation"
            raise _Broken(row.audit_id, reason) from None

    def _compare(self, audit_id: int, key_id: str, signed: Checkpoint) -> None:
        if key_id in self._retired:
            reason = f"the rows up to {signed.last} were signed by a key that was retired before"
            raise _Broken(signed.first, reason)
        if (audit_id, len(self._leaves), root(self._leaves).hex()) != (signed.last, signed.rows, signed.root):
            reason = f"the rows {signed.first} to {signed.last} are not those that were signed"
            raise _Broken(signed.first, reason)
        self._leaves, self._agreed, self._behind = [], self._agreed + 1, 0

    def end(self) -> None:
        if self._pending:
            reason = f"rows up to {self._pending[0][1].last} were signed and are gone"
            raise _Broken(self._last + 1, reason)
        if (row_id := self._expiries.unsigned) is not None:
            raise _Broken(row_id, "it was erased, and nothing signed says so")
