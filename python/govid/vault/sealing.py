"""AES-256-GCM over bytes that are bound to what they are: no sealed value can stand in for another.

    sealed    version (1 byte, 0x01), nonce (12 random bytes), ciphertext, tag (16 bytes)

A data key seals far fewer values than the 2**32 for which random nonces are safe; so does a key-encryption
key that is rotated before four billion subjects.
"""

from __future__ import annotations

import os

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govid.errors import SealBroken

NONCE_BYTES = 12
_VERSION = b"\x01"
OVERHEAD = len(_VERSION) + NONCE_BYTES + 16
"""Bytes by which sealed data is longer."""
_encode = msgspec.json.Encoder().encode


def binding(*parts: str | float) -> bytes:
    """The associated data of these words and finite numbers, of which no others have the same.

    A JSON array, which costs a tenth of joining them here: there are two for each template of a gallery.
    """
    return _encode(parts)


def seal(aead: AESGCM, data: bytes, bound_to: bytes, nonce: bytes | None = None) -> bytes:
    """Encrypt bytes.

    Args:
        bound_to: of ``binding``; needed again to open it.
        nonce: 12 random bytes that nothing else uses, of one draw for many; None: drawn here.
    """
    nonce = nonce or os.urandom(NONCE_BYTES)
    return _VERSION + nonce + aead.encrypt(nonce, data, bound_to)


def unseal(aead: AESGCM, sealed: bytes, bound_to: bytes) -> bytes:
    """The bytes that were sealed.

    Raises:
        SealBroken: they were altered or moved, or another key sealed them.
    """
    # SQLite keeps a text where bytes are due, if somebody writes one.
    if not isinstance(sealed, bytes) or len(sealed) < OVERHEAD or sealed[:1] != _VERSION:
        raise SealBroken
    try:
        return aead.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], bound_to)
    except InvalidTag:
        raise SealBroken from None
