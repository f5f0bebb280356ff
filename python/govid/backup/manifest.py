"""What a backup says of itself, signed: nothing in it can be changed, added or taken away unnoticed."""

from __future__ import annotations

import hashlib
import re
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.errors import BackupBroken, InvalidReceipt
from govid.ledger.signing import Verifier
from govid.store.backup import Moment

KIND = "govid-backup+jws"
NAME = "manifest.jws"
MAX_BYTES = 16 << 20


class File(msgspec.Struct, frozen=True):
    """One file of a backup."""

    bytes: int
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of ``manifest.jws``."""

    iss: str
    iat: Annotated[int, Meta(description="When it was made, seconds since the epoch")]
    version: Annotated[str, Meta(description="Of govid")]
    records: Annotated[str, Meta(description="The file that holds the record store")]
    moment: Moment
    signed_by: Annotated[str, Meta(description="Id of the key that signed at that time")]
    models: Annotated[dict[str, str], Meta(description="SHA-256 of the models in use by their id")]
    files: dict[str, File]


def described(folder: Path) -> dict[str, File]:
    """All files of a folder by their names in it."""
    return {
        path.relative_to(folder).as_posix(): described_file(path)
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def described_file(path: Path) -> File:
    """Size and digest; raises BackupBroken for what is no plain file or cannot be read."""
    if path.is_symlink() or not path.is_file():
        raise BackupBroken(f"{path.name}: it is no plain file")
    try:
        with path.open("rb") as file:
            return File(path.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest())
    except OSError as error:
        raise BackupBroken(f"{path.name}: {error.strerror}") from None


def read(folder: Path, verifier: Verifier) -> Manifest:
    """The manifest of a backup, once its signature and all its files have been checked.

    Raises:
        BackupBroken: there is none, no key of the verifier signed it, or a file is not what it was.
    """
    try:
        with (folder / NAME).open("rb") as file:
            token = file.read(MAX_BYTES).decode("ascii")
    except (OSError, UnicodeDecodeError):
        raise BackupBroken(f"{folder}: no backup: it has no readable {NAME}") from None
    try:
        manifest = msgspec.convert(verifier.verify(KIND, token), Manifest)
    except InvalidReceipt:
        raise BackupBroken(f"{NAME}: {_unsigned(token, verifier)}") from None
    except msgspec.ValidationError as error:
        raise BackupBroken(f"{NAME}: {error}: made by a newer govid?") from None
    found = described(folder)
    found.pop(NAME, None)
    if differing := sorted(
        name for name in {*found, *manifest.files} if found.get(name) != manifest.files.get(name)
    ):
        name = differing[0]
        what = (
            "is missing" if name not in found
            else "does not belong to it" if name not in manifest.files
            else "was altered"
        )  # fmt: skip
        raise BackupBroken(f"{name} {what}")
    if manifest.records not in manifest.files:
        raise BackupBroken(f"{manifest.records} is missing")
    return manifest


def _unsigned(token: str, verifier: Verifier) -> str:
    """Which keys were asked, and which one it names as its own."""
    said = f"none of the keys given ({', '.join(verifier.key_ids)}) signed it, or it was altered"
    with suppress(InvalidReceipt):
        # It may name anything: only what looks like a key is shown.
        if re.fullmatch("[A-Za-z0-9_-]{43}", named := verifier.signed_by(token)):
            said += f"; it names {named}"
    return said
