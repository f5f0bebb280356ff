"""Photos of a tar stream (ustar, pax, GNU; plain or gzip), as it comes and never unpacked.

Written here because ``tarfile`` holds extended headers and sparse maps of any length in memory. A name
is only ever text: nothing is opened or written by it.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Generator
from io import BufferedReader
from typing import BinaryIO, NamedTuple, cast

from govid.bulk import Content, Done, Item, names
from govid.errors import InvalidBody, PhotoTooLarge, PhotoUnreadable

_BLOCK = 512
_SKIP = 1 << 20
_MAX_NAME = 65536
"""Most bytes of an extended header: a name, and what else pax notes of a file."""
_REGULAR = frozenset({b"0", b"\0", b"7"})
_FOLDER = b"5"
_EMPTY = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})
"""Links, devices, folders and pipes: no content follows, whatever size they state."""
_NOTES = frozenset({b"g", b"K", b"X"})
"""Headers about others that say nothing of names here: pax defaults, link targets, Solaris."""


class _Member(NamedTuple):
    name: str
    kind: bytes
    size: int
    sparse: bool


class Archive:
    """``govid.bulk.Source``. Members are found again by their place: the archive must be the same."""

    def __init__(
        self,
        stream: BufferedReader,
        name: str,
        *,
        subject_from: names.SubjectFrom,
        add: bool,
        photo_max_bytes: int,
    ) -> None:
        self.name = name
        self._subject_from, self._add, self._limit = subject_from, add, photo_max_bytes
        self._stream = _uncompressed(stream)

    def items(self, done: Done) -> Generator[tuple[Item, Content], None, None]:
        number = 0
        while (member := self._next()) is not None:
            number += 1
            wanted = member.kind != _FOLDER and names.is_photo(member.name) and not done(number)
            if not wanted:
                self._skip(member.size)
                continue
            item = names.item(member.name, number, self._subject_from, add=self._add)
            if member.kind not in _REGULAR or member.sparse:
                self._skip(member.size)
                yield item, PhotoUnreadable("not a regular file")
            elif member.size > self._limit:
                self._skip(member.size)
                yield item, PhotoTooLarge(f"{member.size} bytes, at most {self._limit}")
            else:
                photo = self._read(member.size)
                self._skip(0, behind=member.size)
                yield item, photo

    def _next(self) -> _Member | None:
        """The header of the next member, with what extended headers before it say; None at the end."""
        name: str | None = None
        size: int | None = None
        sparse = False
        while header := self._header():
            kind, length = header[156:157], _number(header[124:136])
            if kind == b"x":
                extended = _pax(self._extended(length))
                name = extended.get("path", name)
                sparse = sparse or any(word.startswith("GNU.sparse.") for word in extended)
                if "size" in extended:
                    size = _decimal(extended["size"])
            elif kind == b"L":
                name = self._extended(length).split(b"\0")[0].decode(errors="surrogateescape")
            elif kind in _NOTES:
                self._skip(length)
            else:
                if kind == b"S":
                    sparse = True
                    self._skip_map(header)
                stated = length if size is None else size
                return _Member(
                    _name(header) if name is None else name, kind, 0 if kind in _EMPTY else stated, sparse
                )
        return None

    def _header(self) -> bytes | None:
        block = self._stream_read(_BLOCK)
        if not block.strip(b"\0"):
            return None  # a block of zeros ends an archive; some end without one
        if len(block) < _BLOCK:
            raise InvalidBody("the archive ends inside a header")
        if sum(block[:148]) + sum(block[156:]) + 8 * ord(" ") != _number(block[148:156]):
            raise InvalidBody("not a tar archive, or a damaged one")
        return block

    def _skip_map(self, header: bytes) -> None:
        """Blocks of places that follow an old GNU sparse header."""
        more = header[482]
        while more:
            more = self._read(_BLOCK)[504]

    def _extended(self, length: int) -> bytes:
        if length > _MAX_NAME:
            raise InvalidBody(f"an extended header of {length} bytes, at most {_MAX_NAME}")
        data = self._read(length)
        self._skip(0, behind=length)
        return data

    def _read(self, length: int) -> bytes:
        data = self._stream_read(length)
        if len(data) < length:
            raise InvalidBody("the archive ends inside a member")
        return data

    def _skip(self, length: int, *, behind: int = 0) -> None:
        """Read past content, and what fills its last block; ``behind``: content that was read already."""
        left = length + -(length + behind) % _BLOCK
        while left:
            left -= len(self._read(min(left, _SKIP)))

    def _stream_read(self, length: int) -> bytes:
        parts = []
        try:
            while length and (part := self._stream.read(length)):
                parts.append(part)
                length -= len(part)
        except (EOFError, zlib.error, gzip.BadGzipFile):
            raise InvalidBody("the compression of the archive is damaged or cut off") from None
        return b"".join(parts)


def _uncompressed(stream: BufferedReader) -> BinaryIO:
    if stream.peek(2)[:2] == b"\x1f\x8b":
        return cast("BinaryIO", gzip.GzipFile(fileobj=stream))
    return stream


def _name(header: bytes) -> str:
    name = header[:100].split(b"\0")[0]
    if header[257:263] == b"ustar\0" and (prefix := header[345:500].split(b"\0")[0]):
        name = prefix + b"/" + name
    return name.decode(errors="surrogateescape")


def _number(field: bytes) -> int:
    """A number in octal digits, or with the first bit set in base 256."""
    if field[0] & 0x80:
        number = int.from_bytes(bytes([field[0] & 0x7F]) + field[1:], "big")
    else:
        digits = field.strip(b" \0")
        if digits.strip(b"01234567"):
            raise InvalidBody("a header of the archive holds no number where one belongs")
        number = int(digits or b"0", 8)
    if number >= 1 << 63:
        raise InvalidBody("a header of the archive states an impossible size")
    return number


def _decimal(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise InvalidBody("an extended header states an impossible size")
    return int(text)


def _pax(data: bytes) -> dict[str, str]:
    """The records ``length keyword=value`` of an extended header."""
    found: dict[str, str] = {}
    while data.strip(b"\0"):
        length, _, rest = data.partition(b" ")
        size = int(length) if length.isdigit() and len(length) < 6 else 0
        if not len(length) + 1 < size <= len(data):
            raise InvalidBody("an extended header of the archive is damaged")
        keyword, _, value = rest[: size - len(length) - 2].partition(b"=")
        found[keyword.decode(errors="replace")] = value.decode(errors="surrogateescape")
        data = data[size:]
    return found
