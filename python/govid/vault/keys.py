"""Key-encryption keys in a file of their owner's, or given by a secret."""

from __future__ import annotations

import base64
import binascii
import fcntl
import hashlib
import os
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from govid.config import Settings, open_to_others, private_folder
from govid.errors import EncryptionKeyMissing, InvalidSettings
from govid.vault import KeyService

KEY_BYTES = 32


class _Key(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the file. A destroyed key leaves its id, so that a message can say where it went."""

    id: str
    state: Literal["current", "prepared", "retired", "destroyed"]
    created_at: float
    key: bytes = b""


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keys: tuple[_Key, ...]


def id_of(key: bytes) -> str:
    """The id of a key follows from it, so that a wrong key cannot stand under a right id: 16 characters."""
    return hashlib.sha256(b"govid key-encryption key" + key).hexdigest()[:16]


class FileKeys:
    """``KeyService`` on a JSON file, mode 0600. Another process's changes are seen at the next use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._keys: dict[str, _Key] = {}

    def current(self) -> str:
        for key in self._read().values():
            if key.state == "current":
                return key.id
        raise EncryptionKeyMissing(f"{self.path}: no key is the current one")

    def key(self, key_id: str) -> bytes:
        # A key never changes: the file is read again only for one that is not known yet.
        found = self._keys.get(key_id) or self._read().get(key_id)
        if found is None:
            raise EncryptionKeyMissing(f"{self.path} has no key {key_id}")
        if found.state == "destroyed":
            raise EncryptionKeyMissing(f"the key {key_id} was destroyed")
        return found.key

    def ids(self) -> list[str]:
        keys = [key for key in self._read().values() if key.state != "destroyed"]
        return [key.id for key in sorted(keys, key=lambda key: key.state != "current")]

    def prepared(self) -> str | None:
        """The key that was made and is not in use yet."""
        return next((key.id for key in self._read().values() if key.state == "prepared"), None)

    def create(self) -> str:
        key = secrets.token_bytes(KEY_BYTES)
        made = _Key(id=id_of(key), state="prepared", created_at=time.time(), key=key)
        with self._alone():
            if self.path.exists():
                self._write([*self._read().values(), made])
                return made.id
            # The first of several processes wins, and all use its key.
            self._write([msgspec.structs.replace(made, state="current")], replace=False)
        return self.current()

    def promote(self, key_id: str) -> None:
        with self._alone():
            known = self._read()
            self.key(key_id)
            keys = []
            for key in known.values():
                if key.id == key_id:
                    keys.append(msgspec.structs.replace(key, state="current"))
                elif key.state == "current":
                    keys.append(msgspec.structs.replace(key, state="retired"))
                else:
                    keys.append(key)
            self._write(keys)

    def destroy(self, key_id: str) -> None:
        with self._alone():
            if key_id == self.current():
                raise InvalidSettings(f"{self.path}: the key {key_id} is in use")
            self._write(
                [
                    msgspec.structs.replace(key, state="destroyed", key=b"") if key.id == key_id else key
                    for key in self._read().values()
                ]
            )

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While no other process changes the file: it would write over what this one has read."""
        try:
            folder = os.open(private_folder(self.path.parent), os.O_RDONLY)
        except OSError as error:
            raise InvalidSettings(f"{self.path.parent}: {error.strerror}") from None
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _read(self) -> dict[str, _Key]:
        try:
            found = self.path.stat()
            stamp = (found.st_ino, found.st_mtime_ns, found.st_size)
            if stamp == self._stamp:
                return self._keys
            if open_to_others(found):
                raise InvalidSettings(f"{self.path}: others may read these keys: chmod 600, and ask who did")
            content = msgspec.json.decode(self.path.read_bytes(), type=_File)
        except FileNotFoundError:
            raise EncryptionKeyMissing(f"{self.path} is not there") from None
        except OSError as error:
            raise InvalidSettings(f"{self.path}: {error.strerror}") from None
        except msgspec.MsgspecError:
            # Its own words may quote the file.
            raise InvalidSettings(f"{self.path}: no file of encryption keys") from None
        for key in content.keys:
            if key.state != "destroyed" and (len(key.key) != KEY_BYTES or id_of(key.key) != key.id):
                raise InvalidSettings(f"{self.path}: the key {key.id[:16]} is damaged")
        with self._lock:
            self._keys, self._stamp = {key.id: key for key in content.keys}, stamp
        return self._keys

    def _write(self, keys: list[_Key], *, replace: bool = True) -> None:
        """The file, whole or not at all."""
        draft = self.path.with_name(f".{self.path.name}.{uuid.uuid4()}")
        try:
            private_folder(self.path.parent)
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.format(msgspec.json.encode(_File(keys=tuple(keys)))) + b"\n")
                file.flush()
                os.fsync(file.fileno())
            if replace:
                draft.rename(self.path)
            else:
                with suppress(FileExistsError):
                    os.link(draft, self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise InvalidSettings(f"{self.path}: {error.strerror}") from None
        finally:
            with suppress(OSError):
                draft.unlink(missing_ok=True)


class GivenKeys:
    """``KeyService`` on keys from the environment: base64 with commas between, the current one first."""

    name = "GOVID_ENCRYPTION_KEYS"

    def __init__(self, text: str) -> None:
        self._keys: dict[str, bytes] = {}
        for part in text.split(","):
            try:
                key = base64.b64decode(part.strip(), validate=True)
            except (binascii.Error, ValueError):
                key = b""
            if len(key) != KEY_BYTES:
                raise InvalidSettings(f"encryption_keys: each is {KEY_BYTES} random bytes in base64")
            self._keys[id_of(key)] = key

    def current(self) -> str:
        return next(iter(self._keys))

    def key(self, key_id: str) -> bytes:
        if key_id not in self._keys:
            raise EncryptionKeyMissing(f"{self.name} has no key {key_id}")
        return self._keys[key_id]

    def ids(self) -> list[str]:
        return list(self._keys)

    def create(self) -> str:
        raise InvalidSettings(f"{self.name}: put a new key first, then run `govid vault rotate --no-new-key`")

    def promote(self, key_id: str) -> None:  # noqa: ARG002
        raise InvalidSettings(f"{self.name}: the first key is the current one")

    def destroy(self, key_id: str) -> None:
        raise InvalidSettings(f"{self.name}: take the key {key_id} out and destroy it where you keep it")


def open_keys(settings: Settings) -> KeyService:
    """The keys that the settings name. The file is made with a store that has none yet.

    Raises:
        InvalidSettings: both are set, or a key is none.
    """
    if settings.encryption_keys and settings.encryption_keys_file:
        raise InvalidSettings("encryption_keys and encryption_keys_file are both set: keep one")
    if settings.encryption_keys:
        return GivenKeys(settings.encryption_keys)
    return FileKeys(settings.encryption_key_file)
