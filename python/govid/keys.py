"""API keys: ``govid_<id>_<secret>``. The id finds the record; the secret is kept nowhere.

A secret of 256 random bits cannot be guessed, so one SHA-256 of it is as safe as a slow hash: Argon2 makes up
for passwords that people choose, and would cost each request what only a guesser should pay.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass

from govid.callers import Caller

PREFIX = "govid_"
_ID_BYTES = 6
_SECRET_BYTES = 32
_LENGTH = len(PREFIX) + 2 * _ID_BYTES + 1 + 2 * _SECRET_BYTES
_ID = re.compile(rf"{PREFIX}([0-9a-f]{{{2 * _ID_BYTES}}})_")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What is kept of a key. Times are seconds since the epoch (UTC)."""

    key_id: str
    digest: bytes
    caller: Caller
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None
    last_used_at: float | None = None

    @property
    def state(self) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        if self.expires_at is not None and self.expires_at <= time.time():
            return "expired"
        return "active"

    def opened_by(self, presented: str) -> bool:
        """Whether this is that key and it is valid now. Compared in constant time."""
        return hmac.compare_digest(self.digest, _digest(presented)) and self.state == "active"


def make(caller: Caller, *, expires_at: float | None = None) -> tuple[str, ApiKey]:
    """A new key, to be shown once, and what is kept of it."""
    key_id = secrets.token_hex(_ID_BYTES)
    key = f"{PREFIX}{key_id}_{secrets.token_hex(_SECRET_BYTES)}"
    return key, ApiKey(key_id, _digest(key), caller, time.time(), expires_at)


def id_of(presented: str) -> str | None:
    """The id in what was presented, which may be logged; None if it cannot be a key."""
    found = _ID.match(presented) if len(presented) == _LENGTH else None
    return found[1] if found else None


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
