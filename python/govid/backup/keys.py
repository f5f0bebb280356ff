"""The private keys of an installation: in a file of their own, never in a backup."""

from __future__ import annotations

import base64
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from govid import config
from govid.errors import BackupFailed, InvalidSettings, TargetNotEmpty


def check_place(file: Path) -> None:
    """Refuse a place for the private keys before the backup is made that they belong to.

    Raises:
        TargetNotEmpty: the file exists.
        BackupFailed: its folder is none that may be written to.
    """
    if file.exists():
        raise TargetNotEmpty(f"{file}: it exists")
    if not os.access(file.absolute().parent, os.W_OK | os.X_OK):
        raise BackupFailed(f"{file.absolute().parent}: no folder that may be written to")


def save(file: Path, settings: config.Settings) -> list[str]:
    """Write all private keys of the installation to one file, for its owner only; their names.

    Raises:
        TargetNotEmpty: the file exists.
        BackupFailed: a key cannot be read, or the file not written.
    """
    try:
        # Which has no key in it, and is worth the more the newer it is.
        left_out = settings.erasures_file.name
        kept = {p.name: p for p in settings.keys_dir.glob("[!.]*") if p.is_file() and p.name != left_out}
        kept["signing.pem"] = settings.signing_key
        if settings.encryption_key_file.exists():
            kept["encryption.json"] = settings.encryption_key_file
        keys = {name: base64.b64encode(path.read_bytes()).decode() for name, path in kept.items()}
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(msgspec.json.encode(keys))
            out.flush()
            os.fsync(out.fileno())
    except FileExistsError:
        raise TargetNotEmpty(f"{file}: it exists") from None
    except OSError as error:
        raise BackupFailed(f"{error.filename}: {error.strerror}") from None
    return sorted(keys)


def read(file: Path) -> dict[str, bytes]:
    """The keys that `govid backup create --with-keys` wrote, by name.

    Raises:
        InvalidSettings: the file holds none, or others may read it.
    """
    try:
        if config.open_to_others(file.stat()):
            raise InvalidSettings(f"{file}: others may read these keys: chmod 600, and ask who did")
        keys = msgspec.json.decode(file.read_bytes(), type=dict[str, str])
        found = {name: base64.b64decode(text, validate=True) for name, text in keys.items()}
    except OSError as error:
        raise InvalidSettings(f"{file}: {error.strerror}") from None
    except (msgspec.MsgspecError, ValueError):
        raise InvalidSettings(f"{file}: no keys of a backup") from None
    if any(Path(name).name != name or name.startswith(".") for name in found):
        raise InvalidSettings(f"{file}: no keys of a backup")
    return found


def put(target: Path, stage: Path, private_keys: Mapping[str, bytes]) -> None:
    """Bring the keys that lie in the target already, and these, together in a folder being prepared."""
    brought = target / "keys"
    if brought.exists():
        shutil.copytree(brought, stage / "keys")
    for name, key in private_keys.items():
        path = config.private_folder(stage / "keys") / name
        # What somebody has brought counts: its erasures may be newer than any copy.
        if not path.exists():
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(key)
                os.fsync(out.fileno())


def settle(source: Path, target: Path) -> None:
    """The files of a folder into another, where there are none of their names."""
    for path in source.iterdir() if source.exists() and target.exists() else ():
        if not (target / path.name).exists():
            path.rename(target / path.name)
