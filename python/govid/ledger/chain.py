"""Each audit row holds the digest of the one before: one that is altered or moved breaks the chain there."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

GENESIS = bytes(32)
"""What the first row follows."""


class Link(NamedTuple):
    """One row as it is stored: ``digest`` is ``link`` of the row before and of ``record``."""

    audit_id: int
    record: bytes
    digest: bytes


_MARK = '{"expired":"'
"""What a record never begins with."""


def mark(expiry_id: str) -> str:
    """What stands instead of the record of a row that was erased (``govid.ledger.expiry``)."""
    return f'{_MARK}{expiry_id}"}}'


def expired_by(record: bytes) -> str | None:
    """The expiry of a row that was erased; None for a record."""
    if not record.startswith(_MARK.encode()):
        return None
    return record[len(_MARK) : -2].decode(errors="replace")


def link(previous: bytes, record: bytes) -> bytes:
    """SHA-256 over the digest before (32 bytes) and the record as it is stored."""
    return hashlib.sha256(previous + record).digest()
