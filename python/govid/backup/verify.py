"""Check a backup without a server: signature, digests, and the chain of its audit up to the signed head."""

from __future__ import annotations

from pathlib import Path

import msgspec

from govid.backup import manifest
from govid.backup.copiers import reader_of
from govid.backup.manifest import Manifest
from govid.errors import BackupBroken
from govid.ledger import checkpoints
from govid.ledger.signing import Verifier, read_verifier


def verify(folder: Path, trusted: Verifier) -> Manifest:
    """What the backup holds, if all of it is as it was written.

    Args:
        trusted: public keys from elsewhere than the backup, which would vouch for itself.

    Raises:
        BackupBroken: something was altered, or the audit was broken before.
        BackupToolMissing: pg_restore, which reads a copy of PostgreSQL, is not there.
    """
    found = manifest.read(folder, trusted)
    records = folder / found.records
    reader = reader_of(found.records)
    # Those of its time: the manifest is signed, and they with it.
    keys = read_verifier(msgspec.json.decode((folder / "keys.json").read_bytes()))
    chain = checkpoints.examine(reader.links(records), reader.checkpoints(records), keys)
    if not chain.intact:
        raise BackupBroken(f"audit row {chain.broken_at}: {chain.reason}")
    if found.moment.audit_head and chain.head != found.moment.audit_head:
        raise BackupBroken("the audit does not end where the manifest says")
    return found
