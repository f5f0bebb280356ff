"""The names of photo files: which are photos, and whose."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import PurePosixPath
from typing import Literal, TypeAlias

from govid.bulk import Item

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})

SubjectFrom: TypeAlias = Literal["file", "folder"]
"""What names the subject: the file (`alice.jpg`), or the folder directly around it (`alice/1.jpg`)."""


def is_photo(name: str) -> bool:
    """Whether a name is one of a photo file; hidden files are none."""
    path = PurePosixPath(name)
    return path.suffix.lower() in PHOTO_SUFFIXES and not path.name.startswith(".")


def item(name: str, key: int, subject_from: SubjectFrom, *, add: bool) -> Item:
    """The item of a photo file.

    Args:
        name: path inside the folder or tar, with slashes.
    """
    path = PurePosixPath(name)
    subject = path.stem if subject_from == "file" else path.parent.name
    return Item(
        key=key,
        source=shown(name),
        # File systems part letters from their accents; a subject id has one spelling.
        subject_id=unicodedata.normalize("NFC", subject),
        add=add or subject_from == "folder",
    )


def key(name: str) -> int:
    """A key for an item that is found by its name: 64 bits of SHA-256."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="surrogateescape")).digest()[:8], "big")


def shown(name: str) -> str:
    """A name of any bytes as text that JSON can hold."""
    return name.encode(errors="backslashreplace").decode()
