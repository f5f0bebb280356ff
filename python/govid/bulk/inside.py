"""Reading a file inside a folder, and nothing outside it, whatever its name says."""

from __future__ import annotations

import os
import stat

from govid.errors import PhotoTooLarge, PhotoUnreadable

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# A pipe without a writer must not hold the reader; it is refused afterwards.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read(root: int, name: str, limit: int) -> bytes:
    """The bytes of a regular file.

    Each part of the name is opened within the one before and no symbolic link is followed, so that a change
    of the folder meanwhile cannot lead outside either.

    Args:
        root: descriptor of the folder.
        name: relative, with slashes.
        limit: most bytes.

    Raises:
        PhotoUnreadable: it leads outside, is a link or no regular file.
        PhotoTooLarge: it is longer.
        OSError: it cannot be read.
    """
    *folders, file = name.split("/")
    if "\0" in name or any(part in {"", ".", ".."} for part in (*folders, file)):
        raise PhotoUnreadable("not a relative path inside the folder")
    opened: list[int] = []
    try:
        for folder in folders:
            opened.append(os.open(folder, _FOLDER, dir_fd=opened[-1] if opened else root))
        opened.append(os.open(file, _FILE, dir_fd=opened[-1] if opened else root))
        about = os.fstat(opened[-1])
        if not stat.S_ISREG(about.st_mode):
            raise PhotoUnreadable("not a regular file")
        if about.st_size > limit:
            raise PhotoTooLarge(f"{about.st_size} bytes, at most {limit}")
        with os.fdopen(opened.pop(), "rb") as stream:
            data = stream.read(limit + 1)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    if len(data) > limit:  # it grew meanwhile
        raise PhotoTooLarge(f"more than {limit} bytes")
    return data


def content(root: int, name: str, limit: int) -> bytes | PhotoUnreadable | PhotoTooLarge | OSError:
    """``read`` with what it raises as a value: it is the outcome of one item."""
    try:
        return read(root, name, limit)
    except (PhotoUnreadable, PhotoTooLarge, OSError) as error:
        return error
