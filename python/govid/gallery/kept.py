"""How the files of a snapshot lie on the disk: in clear, or in sealed blocks.

sealed    blocks of 1 MiB, each AES-256-GCM under a key of this snapshot alone, which a key-encryption key
          wraps; nonce: number of the file, number of the block. A block is bound to the file's name and to
          whether it is the last one, so that none can be moved, left out or added.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from numpy.typing import NDArray

from govid.errors import SealBroken
from govid.vault.keys import KEY_BYTES
from govid.vault.vault import Vault

_BLOCK = 1 << 20
_TAG = 16
_FILES = {"ids": 0, "vectors": 1, "index": 2}
_CONTEXT = "gallery snapshot"


class Cipher:
    """The key of one snapshot."""

    def __init__(self, key: bytes, wrapped: tuple[str, bytes]) -> None:
        self.wrapped = wrapped
        """Id of the key-encryption key, and the key as the manifest holds it."""
        self._aead = AESGCM(key)
        self._mark_key = hmac.digest(key, b"govid manifest", "sha256")

    @classmethod
    def new(cls, vault: Vault) -> Cipher:
        """A key for a new snapshot."""
        key = os.urandom(KEY_BYTES)
        return cls(key, vault.wrap(key, _CONTEXT))

    @classmethod
    def of(cls, vault: Vault, wrapped: tuple[str, bytes]) -> Cipher:
        """The key of a snapshot on the disk; raises SealBroken, EncryptionKeyMissing."""
        return cls(vault.unwrap(*wrapped, _CONTEXT), wrapped)

    def mark(self, text: bytes) -> str:
        """What proves that the manifest is of this snapshot: 64 hexadecimal digits."""
        return hmac.digest(self._mark_key, text, "sha256").hex()

    def seal(self, name: str, number: int, block: bytes | memoryview, *, last: bool) -> bytes:
        """One block of a file."""
        return self._aead.encrypt(_nonce(name, number), block, _bound(name, last))

    def unseal(self, name: str, number: int, block: bytes, *, last: bool) -> bytes:
        """What ``seal`` was given; raises SealBroken."""
        try:
            return self._aead.decrypt(_nonce(name, number), block, _bound(name, last))
        except InvalidTag:
            raise SealBroken(f"{name}: a block is not what was written") from None


def write(path: Path, arrays: Iterable[NDArray[Any]], cipher: Cipher | None) -> str:
    """Write arrays one after the other, down to the disk; the SHA-256 of the file as it lies there."""
    digest = hashlib.sha256()
    with open(path, "xb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        for block in _blocks(path.name, arrays, cipher) if cipher else map(_bytes, arrays):
            digest.update(block)
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    return digest.hexdigest()


def read(path: Path, cipher: Cipher, into: NDArray[np.uint8]) -> None:
    """Open a sealed file into an array of its size.

    Raises:
        SealBroken: it is not what was written.
        OSError: it cannot be read.
    """
    number = place = 0
    with path.open("rb") as file:
        block = file.read(_BLOCK + _TAG)
        while True:
            following = file.read(_BLOCK + _TAG)
            opened = cipher.unseal(path.name, number, block, last=not following)
            if place + len(opened) > len(into):
                raise SealBroken(f"{path.name} is longer than its manifest says")
            into[place : place + len(opened)] = np.frombuffer(opened, np.uint8)
            place, number, block = place + len(opened), number + 1, following
            if not following:
                break
    if place != len(into):
        raise SealBroken(f"{path.name} is shorter than its manifest says")


def size(path: Path) -> int:
    """Bytes that a sealed file holds."""
    length = path.stat().st_size
    return length - _TAG * max(1, -(-length // (_BLOCK + _TAG)))


def _blocks(name: str, arrays: Iterable[NDArray[Any]], cipher: Cipher) -> Iterable[bytes]:
    waiting = bytearray()
    number = 0
    for array in arrays:
        data = _bytes(array)
        for start in range(0, len(data), _BLOCK):
            waiting += data[start : start + _BLOCK]
            # One stays behind: only at the end is it known which block is the last.
            while len(waiting) > _BLOCK:
                yield cipher.seal(name, number, bytes(waiting[:_BLOCK]), last=False)
                del waiting[:_BLOCK]
                number += 1
    yield cipher.seal(name, number, bytes(waiting), last=True)


def _bytes(array: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(array).view(np.uint8).reshape(-1).data


def _nonce(name: str, number: int) -> bytes:
    return _FILES[name].to_bytes(4, "big") + number.to_bytes(8, "big")


def _bound(name: str, last: bool) -> bytes:
    return f"{name} {'last' if last else 'more'}".encode()
