"""Biometric data at rest: sealed under a key per subject, so that to destroy the key is to erase the subject.

    key-encryption key    32 bytes outside of the record store: a file, a secret, a KMS (``keys.py``)
      wraps
    data key              one per subject, in the table ``subject_key``
      seals
    template, photo       AES-256-GCM, bound to what it is and to whom it belongs (``sealing.py``)

Rotation wraps the data keys anew and leaves the data alone (``rotation.py``).
"""

from __future__ import annotations

from typing import Protocol


class KeyService(Protocol):
    """Where key-encryption keys come from: the seam for a KMS. Safe to call from several threads.

    A KMS keeps its root key and hands out these 32 bytes once per process ("envelope encryption"): a gallery
    of a million subjects could not be opened by a million calls.
    """

    name: str
    """Where the keys are, for people."""

    def current(self) -> str:
        """Id of the key that new data keys are wrapped with; raises EncryptionKeyMissing without any."""

    def key(self, key_id: str) -> bytes:
        """The 32 bytes of a key; raises EncryptionKeyMissing."""

    def ids(self) -> list[str]:
        """Ids of all keys there are, the current one first."""

    def create(self) -> str:
        """Make a key, which is current if it is the first, else once it is promoted; its id.

        Raises:
            InvalidSettings: keys are not made here.
        """

    def promote(self, key_id: str) -> None:
        """Make a key the current one; raises EncryptionKeyMissing, InvalidSettings."""

    def destroy(self, key_id: str) -> None:
        """Forget a key for good: what it wraps can never be read again; raises InvalidSettings."""
