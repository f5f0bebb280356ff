"""Who was erased after a backup was made: a restore must not bring them back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from govid.audit import AuditRecord
from govid.backup import Moment
from govid.errors import BackupBroken
from govid.ledger import checkpoints
from govid.ledger.chain import Link
from govid.ledger.signing import Verifier


@dataclass(frozen=True, slots=True)
class Erasure:
    """A subject that was deleted, and the request under which the audit has it."""

    subject_id: str
    request_id: str


def since(moment: Moment, rows: Iterable[Link], statements: Sequence[str], verifier: Verifier) -> list[Erasure]:
    """The deletions in a newer audit of the same installation.

    Args:
        moment: of the backup.
        rows: the whole chain.
        statements: its signed checkpoints.

    Raises:
        BackupBroken: the chain is broken, or does not go on from the backup.
    """
    found: list[Erasure] = []
    seen = not moment.audit_head

    def watched() -> Iterator[Link]:
        nonlocal seen
        for row in rows:
            if row.audit_id > moment.audit_position:
                found.extend(_erasures(row.record))
            elif row.audit_id == moment.audit_position:
                seen = row.digest.hex() == moment.audit_head
            yield row

    chain = checkpoints.examine(watched(), statements, verifier)
    if not chain.intact:
        raise BackupBroken(f"the newer audit, row {chain.broken_at}: {chain.reason}")
    if not seen:
        raise BackupBroken("the newer audit does not go on from this backup: it is of another installation, or older")
    return found


def _erasures(record: bytes) -> Iterator[Erasure]:
    row = msgspec.json.decode(record, type=AuditRecord)
    if row.operation == "delete" and row.outcome == "DELETED" and row.subject_id is not None:
        yield Erasure(row.subject_id, row.request_id)
