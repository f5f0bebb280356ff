"""What happened after a backup and must not be undone by it: erasures, and changes of the signing key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from govid.audit import AuditRecord
from govid.errors import BackupBroken
from govid.ledger import checkpoints
from govid.ledger.chain import Link, expired_by
from govid.ledger.erasures import Erasure as Receipt
from govid.ledger.signing import Verifier
from govid.store.audit import ROTATION
from govid.store.backup import Moment

_ERASES = ("delete", "delete_reference", "replay_erasure")
# Found without reading every record: within a text, the quotes would be escaped.
_TELLING = tuple(f'"operation":"{operation}"'.encode() for operation in (*_ERASES, ROTATION))


class Erasure(NamedTuple):
    """A subject, or that reference of it, that was deleted, and the request under which the audit has it."""

    subject_id: str
    reference_id: int | None
    request_id: str


@dataclass(slots=True)
class Afterwards:
    """In the order in which it happened."""

    erasures: list[Erasure] = field(default_factory=list)
    rotations: list[AuditRecord] = field(default_factory=list)
    receipts: list[Receipt] = field(default_factory=list)
    """Those of the file that is kept beside the keys (``govid.vault.journal``)."""

    def add(self, record: AuditRecord) -> None:
        """Take over what must not be undone."""
        if record.operation in _ERASES and record.outcome == "DELETED" and record.subject_id is not None:
            self.erasures.append(Erasure(record.subject_id, record.reference_id, record.request_id))
        elif record.operation == ROTATION:
            self.rotations.append(record)


def since(moment: Moment, rows: Iterable[Link], statements: Sequence[str], verifier: Verifier) -> Afterwards:
    """What a newer audit of the same installation says.

    Args:
        moment: of the backup.
        rows: the whole chain.
        statements: its signed checkpoints.

    Raises:
        BackupBroken: the chain is broken, or does not go on from the backup.
    """
    found = Afterwards()
    seen = not moment.audit_head

    def watched() -> Iterator[Link]:
        nonlocal seen
        for row in rows:
            yield row
            # It was found intact: otherwise nobody would ask for the next one.
            if row.audit_id > moment.audit_position:
                if expired_by(row.record) is None and any(telling in row.record for telling in _TELLING):
                    try:
                        found.add(msgspec.json.decode(row.record, type=AuditRecord))
                    except msgspec.MsgspecError:
                        raise BackupBroken(f"the newer audit, row {row.audit_id}: it is no record") from None
            elif row.audit_id == moment.audit_position:
                seen = row.digest.hex() == moment.audit_head

    chain = checkpoints.examine(watched(), statements, verifier)
    if not chain.intact:
        raise BackupBroken(f"the newer audit, row {chain.broken_at}: {chain.reason}")
    if not seen:
        raise BackupBroken(
            "the newer audit does not go on from this backup: it is older, or of another store"
        )
    return found
