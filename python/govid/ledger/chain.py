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


def link(previous: bytes, record: bytes) -> bytes:
    """SHA-256 over the digest before (32 bytes) and the record as it is stored."""
    return hashlib.sha256(previous + record).digest()
