"""Photos of a folder and its sub-folders. Links are not followed; other files are left alone."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path

from govid.bulk import Content, Done, Item, inside, names
from govid.errors import PhotoUnreadable


class Folder:
    """``govid.bulk.Source``. Holds the names of one folder of each depth at a time."""

    def __init__(
        self, path: Path, *, subject_from: names.SubjectFrom, add: bool, photo_max_bytes: int
    ) -> None:
        self.name = path.resolve().name
        self._path = path
        self._subject_from, self._add, self._limit = subject_from, add, photo_max_bytes

    def items(self, done: Done) -> Generator[tuple[Item, Content], None, None]:
        root = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for name, link in _photos(self._path, ""):
                if not done(key := names.key(name)):
                    if isinstance(link, OSError):
                        yield Item(key=key, source=name), link
                        continue
                    item = names.item(name, key, self._subject_from, add=self._add)
                    if link:
                        yield item, PhotoUnreadable("a symbolic link, which is not followed")
                    else:
                        yield item, inside.content(root, name, self._limit)
        finally:
            os.close(root)


def _photos(folder: Path, prefix: str) -> Iterator[tuple[str, bool | OSError]]:
    """Name of each photo relative to the top, and whether it is a link, in order of the names.

    A folder that cannot be read is yielded with its fault.
    """
    try:
        with os.scandir(folder) as entries:
            listed = sorted(
                (entry.name, entry.is_symlink(), entry.is_dir(follow_symlinks=False)) for entry in entries
            )
    except OSError as error:
        yield prefix or ".", error
        return
    for name, link, is_folder in listed:
        if is_folder and not name.startswith("."):
            yield from _photos(folder / name, f"{prefix}{name}/")
        elif names.is_photo(name):
            yield f"{prefix}{name}", link
