"""Seals what belongs to a subject, and opens it again, inside the transactions of the record store."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from govid.errors import EncryptionKeyMissing, SealBroken
from govid.store.database import Connection, Database
from govid.vault import KeyService
from govid.vault.keys import KEY_BYTES
from govid.vault.sealing import NONCE_BYTES, binding, seal, unseal


class SubjectKeyRow(NamedTuple):
    """A row of ``subject_key``. ``fingerprint``: 16 bytes that name the data key for ever."""

    subject_id: str
    key_id: str
    wrapped: bytes
    fingerprint: bytes


class SubjectKey:
    """A subject's data key in the clear; not to be kept beyond the call."""

    __slots__ = ("_aead", "_subject_id")

    def __init__(self, subject_id: str, aead: AESGCM) -> None:
        self._subject_id, self._aead = subject_id, aead

    def seal(self, kind: str, data: bytes, *context: str | float, nonce: bytes | None = None) -> bytes:
        """Bytes of that kind, bound to the subject and to the words of the context."""
        return seal(self._aead, data, binding(kind, self._subject_id, *context), nonce)

    def open(self, kind: str, sealed: bytes, *context: str | float) -> bytes:
        """What was sealed under the same words; raises SealBroken."""
        return unseal(self._aead, sealed, binding(kind, self._subject_id, *context))


class Vault:
    """Keys of subjects. Safe to call from several threads."""

    def __init__(self, keys: KeyService) -> None:
        self.keys = keys
        self._wrapping: dict[str, AESGCM] = {}
        self._lock = threading.Lock()

    def attach(self, database: Database) -> None:
        """Check that all keys of the store are here; make the first one with a new store.

        Raises:
            EncryptionKeyMissing: one is not. None is made instead: it would open nothing.
        """
        with database.writing() as connection:
            connection.exclusive("encryption_key")
            known = [key_id for (key_id,) in connection.rows("SELECT key_id FROM encryption_key")]
            for key_id in known:
                self.keys.key(key_id)
            try:
                current = self.keys.current()
            except EncryptionKeyMissing:
                if known:
                    raise
                current = self.keys.create()
            if current not in known:
                register(connection, current)

    # --- keys ---------------------------------------------------------------------------------------

    def new_keys(self, subject_ids: Sequence[str]) -> Iterator[tuple[SubjectKeyRow, SubjectKey]]:
        """A data key for each new subject, and its row for ``insert_keys``."""
        key_id = self.keys.current()
        wrapping = self._wrapping_key(key_id)
        size = KEY_BYTES + NONCE_BYTES
        random = os.urandom(size * len(subject_ids))
        for place, subject_id in enumerate(subject_ids):
            drawn = random[place * size : (place + 1) * size]
            key = drawn[:KEY_BYTES]
            wrapped = seal(wrapping, key, _bound(subject_id), drawn[KEY_BYTES:])
            row = SubjectKeyRow(subject_id, key_id, wrapped, fingerprint(key))
            yield row, SubjectKey(subject_id, AESGCM(key))

    def add_key(self, connection: Connection, subject_id: str) -> SubjectKey:
        """Make and store the data key of a new subject."""
        ((row, key),) = self.new_keys([subject_id])
        insert_keys(connection, [row])
        return key

    def key(self, connection: Connection, subject_id: str) -> SubjectKey:
        """The data key of a subject; raises SealBroken if it has none, EncryptionKeyMissing."""
        row = connection.row("SELECT key_id, wrapped FROM subject_key WHERE subject_id = ?", (subject_id,))
        return self.unwrapped(subject_id, *(row or (None, None)))

    def unwrapped(self, subject_id: str, key_id: str | None, wrapped: bytes | None) -> SubjectKey:
        """The data key of a row; raises SealBroken, EncryptionKeyMissing."""
        return SubjectKey(subject_id, AESGCM(self._data_key(subject_id, key_id, wrapped)))

    def rewrapped(self, row: SubjectKeyRow, key_id: str) -> SubjectKeyRow:
        """The same data key, wrapped with another key-encryption key."""
        key = self._data_key(row.subject_id, row.key_id, row.wrapped)
        wrapped = seal(self._wrapping_key(key_id), key, _bound(row.subject_id))
        return row._replace(key_id=key_id, wrapped=wrapped)

    # --- data ---------------------------------------------------------------------------------------

    def seal(
        self, connection: Connection, subject_id: str, kind: str, data: bytes, *context: str | float
    ) -> bytes:
        """Bytes of an enrolled subject, to be stored; raises as ``key``.

        Args:
            kind: what it is: one kind cannot be passed off as another.
            context: what else it must not be moved away from, as words that a reader finds beside it.
        """
        return self.key(connection, subject_id).seal(kind, data, *context)

    def open(
        self, connection: Connection, subject_id: str, kind: str, sealed: bytes, *context: str | float
    ) -> bytes:
        """What ``seal`` was given; raises SealBroken, EncryptionKeyMissing."""
        return self.key(connection, subject_id).open(kind, sealed, *context)

    def wrap(self, data_key: bytes, *context: str) -> tuple[str, bytes]:
        """A data key of something else than a subject: id of its key-encryption key, and what to store."""
        key_id = self.keys.current()
        return key_id, seal(self._wrapping_key(key_id), data_key, binding(*context))

    def unwrap(self, key_id: str, wrapped: bytes, *context: str) -> bytes:
        """What ``wrap`` was given; raises SealBroken, EncryptionKeyMissing."""
        return unseal(self._wrapping_key(key_id), wrapped, binding(*context))

    # --- inside -------------------------------------------------------------------------------------

    def _data_key(self, subject_id: str, key_id: str | None, wrapped: bytes | None) -> bytes:
        if key_id is None or wrapped is None:
            raise SealBroken("a subject has no key: it was erased, or its row was removed by hand")
        return unseal(self._wrapping_key(key_id), wrapped, _bound(subject_id))

    def _wrapping_key(self, key_id: str) -> AESGCM:
        found = self._wrapping.get(key_id)
        if found is None:
            found = AESGCM(self.keys.key(key_id))
            with self._lock:
                self._wrapping[key_id] = found
        return found


def fingerprint(data_key: bytes) -> bytes:
    """Names a data key in receipts, 16 bytes."""
    return hashlib.sha256(b"govid data key" + data_key).digest()[:16]


def insert_keys(connection: Connection, rows: Sequence[SubjectKeyRow]) -> None:
    """Store data keys, in the transaction that makes their subjects."""
    connection.execute_many(
        "INSERT INTO subject_key (subject_id, key_id, wrapped, fingerprint) VALUES (?, ?, ?, ?)", rows
    )


def register(connection: Connection, key_id: str) -> None:
    """Allow a key-encryption key in this store: no row can name one that was destroyed here."""
    connection.execute(
        "INSERT INTO encryption_key VALUES (?, ?) ON CONFLICT DO NOTHING", (key_id, time.time())
    )


def _bound(subject_id: str) -> bytes:
    return binding("data key", subject_id)
