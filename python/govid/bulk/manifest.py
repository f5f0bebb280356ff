"""NDJSON: a line is a body of ``POST /v1/subjects``, or names a photo file beside the manifest."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
from msgspec import Meta

from govid.bulk import Content, Done, Item, inside
from govid.errors import CallerError, InvalidBase64, InvalidBody, MalformedBody, UnknownField
from govid.types import PackedTemplate, QualityMeasure

MAX_ECHO = 200
_ROOM = 65536  # of a line beside its photo
_SKIP = 1 << 20


class TemplateIn(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """A template as ``POST /v1/embed`` returns it."""

    model_id: str
    embedding: Annotated[bytes, Meta(description="base64 of little-endian float32")]


class Line(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, gc=False
):
    """A reference. Exactly one of ``photo``, ``photo_file`` and ``template`` is given."""

    subject_id: str
    groups: tuple[str, ...] = ()
    add: Annotated[bool, Meta(description="One more reference of a subject that may be there")] = False
    photo: Annotated[bytes | None, Meta(description="base64")] = None
    photo_file: Annotated[str | None, Meta(description="Relative path inside the manifest's folder")] = None
    template: TemplateIn | None = None
    quality: Annotated[tuple[QualityMeasure, ...], Meta(max_length=64)] = ()
    created_at: Annotated[float, Meta(ge=0, description="Seconds since the epoch (UTC)")] | None = None


class Manifest:
    """``govid.bulk.Source``. Lines are found again by their number: add at the end, move none."""

    def __init__(
        self, stream: BinaryIO, name: str, *, folder: Path | None, add: bool, photo_max_bytes: int
    ) -> None:
        """
        Args:
            folder: where ``photo_file`` lies; None refuses it.
            add: take every line as if it said so.
        """
        self.name = name
        self._stream, self._folder, self._add, self._photo_max = stream, folder, add, photo_max_bytes
        self._line_max = photo_max_bytes * 4 // 3 + _ROOM

    def items(self, done: Done) -> Generator[tuple[Item, Content], None, None]:
        root = (
            -1 if self._folder is None else os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        )
        try:
            for number, line in enumerate(self._lines(), 1):
                if not done(number) and (line is None or not line.isspace()):
                    yield self._item(number, line, root)
        finally:
            if root >= 0:
                os.close(root)

    def _lines(self) -> Iterator[bytes | None]:
        """Each line, None for one that is too long: it is read past without being held."""
        while line := self._stream.readline(self._line_max):
            if len(line) < self._line_max or line.endswith(b"\n"):
                yield line
                continue
            while (rest := self._stream.readline(_SKIP)) and not rest.endswith(b"\n"):
                pass
            yield None

    def _item(self, number: int, line: bytes | None, root: int) -> tuple[Item, Content]:
        source = f"line {number}"
        try:
            if line is None:
                raise MalformedBody(f"more than {self._line_max} bytes")
            read = _decoded(line)
        except InvalidBody as error:
            return Item(key=number, source=source), error
        item = Item(
            key=number,
            source=source,
            subject_id=read.subject_id,
            groups=read.groups,
            add=read.add or self._add,
            quality=read.quality if read.template else (),
            created_at=read.created_at,
        )
        return item, self._content(read, root)

    def _content(self, read: Line, root: int) -> Content:
        if (read.photo, read.photo_file, read.template).count(None) != 2:
            return InvalidBody("give exactly one of photo, photo_file and template")
        if read.template is not None:
            return PackedTemplate(read.template.model_id, read.template.embedding)
        if read.photo is not None:
            return read.photo
        if self._folder is None:
            return InvalidBody("photo_file needs a manifest in a file: what comes by a pipe has no folder")
        assert read.photo_file is not None
        return inside.content(root, read.photo_file, self._photo_max)


_DECODER = msgspec.json.Decoder(Line)


def _decoded(line: bytes) -> Line:
    try:
        return _DECODER.decode(line)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)[:MAX_ECHO]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise MalformedBody("not a JSON object in UTF-8") from None


def _invalid(message: str) -> CallerError:
    if "unknown field" in message:
        return UnknownField(message)
    return InvalidBase64(message) if "base64" in message else InvalidBody(message)
