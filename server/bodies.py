"""Request bodies: JSON, multipart or a bare photo or template, held in memory and read by the same schema.

Litestar would spool uploaded files to disk; faces do not belong into a temporary folder.
"""

from __future__ import annotations

import json
import re
from functools import cache
from io import BytesIO
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from multipart import MultipartError, MultipartParser, parse_options_header

from govid.choices import choices
from govid.errors import InvalidBase64, InvalidBody, InvalidParameter, MalformedBody, UnknownField
from govid.subjects import MAX_PAGE
from server.errors import UnsupportedContentType
from server.queries import MAX_ECHO
from server.schemas import TemplateIn

T = TypeVar("T", bound=msgspec.Struct)
JSON = "application/json"
MULTIPART = "multipart/form-data"
BINARY = "application/octet-stream"
MAX_PARTS = 8
MOST_QUOTES = 16 * MAX_PAGE
"""Quotation marks in JSON: two for each name and string, of which a list has ``MAX_PAGE``, some inside."""
# Fields that hold several values, which parts and parameters, being text, write as JSON.
LISTS = frozenset({"subjects", "groups"})
SMALL_BODY = 64 * 1024
"""Bytes of what holds no photo: such a body takes its place when it is there."""
# Photos are limited by the engine; this bounds what is read before it can look: base64 adds a third.
ONE_PHOTO_BODY = 14 * 1024 * 1024 + 4096
TWO_PHOTO_BODY = 2 * ONE_PHOTO_BODY


class Body:
    """A body that has been read but not parsed; parsing is left to a worker thread."""

    def __init__(self, content_type: str, query: bytes, data: bytes) -> None:
        self._content_type = content_type
        self._query = query
        self._data = data

    def parse(self, schema: type[T]) -> T:
        """The body as ``schema``.

        Raises:
            UnsupportedContentType: it is of no type this schema can be sent in.
            InvalidParameter: the query does not fit the schema, or comes with a body that has the fields.
            InvalidBody: a subclass that says whether it is the syntax, a field or the base64.
        """
        media_type, options = parse_options_header(self._content_type)
        if media_type == BINARY and takes_binary(schema):
            return self._binary(schema)
        if self._query and media_type in {JSON, MULTIPART}:
            raise InvalidParameter(f"parameters go with {BINARY}; here the body has the fields")
        try:
            if media_type == JSON:
                return _decoded(self._data, schema)
            if media_type == MULTIPART:
                return msgspec.convert(
                    self._parts(options.get("boundary", ""), schema),
                    schema,
                    builtin_types=(bytes,),
                    strict=False,
                )
        except msgspec.ValidationError as error:
            raise _invalid(str(error), schema) from None
        except UnicodeDecodeError:
            raise MalformedBody("a text field is not UTF-8") from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise MalformedBody("not well-formed JSON") from None
        known = [JSON, MULTIPART, *([BINARY] if takes_binary(schema) else [])]
        raise UnsupportedContentType(f"one of: {', '.join(known)}")

    def _binary(self, schema: type[T]) -> T:
        """The body is the photo, or with ``model_id`` the template; the query has all other fields."""
        fields: dict[str, Any] = dict(self._parameters(schema))
        if (model_id := fields.pop("model_id", None)) is None:
            fields["photo"] = self._data
        else:
            fields["template"] = {"model_id": model_id, "embedding": self._data}
        try:
            return msgspec.convert(fields, schema, builtin_types=(bytes,), strict=False)
        except msgspec.ValidationError as error:
            raise InvalidParameter(str(error)[:MAX_ECHO]) from None

    def _parameters(self, schema: type[msgspec.Struct]) -> list[tuple[str, object]]:
        try:
            pairs = parse_qsl(
                self._query.decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(self._query),
                errors="strict",
                max_num_fields=MAX_PARTS,
            )
        except ValueError:  # UnicodeDecodeError is one
            raise InvalidParameter("the query is not well-formed") from None
        names = [name for name, _ in pairs]
        if unknown := set(names) - set(parameters(schema)):
            known = ", ".join(parameters(schema))
            raise InvalidParameter(f"unknown: {min(unknown)[:64]!r}; known are {known}")
        if len(set(names)) < len(names):
            raise InvalidParameter("a parameter comes twice")
        try:
            return [(name, _text(name, value)) for name, value in pairs]
        except msgspec.MsgspecError as error:
            raise InvalidParameter(str(error)[:MAX_ECHO]) from None

    def _parts(self, boundary: str, schema: type[msgspec.Struct]) -> dict[str, Any]:
        if not boundary:
            raise MalformedBody("multipart without a boundary")
        fields: dict[str, Any] = {}
        try:
            parser = MultipartParser(
                BytesIO(self._data),
                boundary,
                content_length=len(self._data),
                part_limit=MAX_PARTS,
                partsize_limit=ONE_PHOTO_BODY,
                memory_limit=TWO_PHOTO_BODY,
                spool_limit=TWO_PHOTO_BODY,
                strict=True,
            )
            parts = list(parser)
        except (MultipartError, ValueError, LookupError):
            raise MalformedBody("not well-formed multipart/form-data") from None
        for part in parts:
            if part.name not in schema.__struct_fields__:
                # Before its contents are read: a photo under a wrong name is no text in a wrong encoding.
                raise _invalid(f"Object contains unknown field `{part.name[:64]}`", schema)
            if part.name in fields:
                raise InvalidBody(f"the part {part.name[:64]!r} comes twice")
            fields[part.name] = _value(part.name, part.raw)
        return fields


def takes_binary(schema: type[msgspec.Struct]) -> bool:
    """Whether one body can be the photo: two photos need names."""
    return "photo" in schema.__struct_fields__


def parameters(schema: type[msgspec.Struct]) -> tuple[str, ...]:
    """What the query of a binary body may say."""
    rest = tuple(name for name in schema.__struct_fields__ if name not in {"photo", "template"})
    return (*rest, "model_id") if "template" in schema.__struct_fields__ else rest


def _value(name: str, raw: bytes) -> object:
    """Photos stay bytes, a template is JSON as in a JSON body, the rest is text."""
    if name.endswith("photo"):
        return raw
    if name == "template":
        return msgspec.to_builtins(_decoded(raw, TemplateIn), builtin_types=(bytes,))
    if name in LISTS:
        _check_few_strings(raw)
    return _text(name, raw.decode("utf-8"))


def _text(name: str, value: str) -> object:
    """A list is a JSON array, or its only member as it is."""
    if name not in LISTS:
        return value
    return msgspec.json.decode(value, type=list[str]) if value.startswith("[") else [value]


def _decoded(data: bytes, schema: type[T]) -> T:
    """JSON as ``schema``. What is none is refused where it begins to be none, whatever comes behind."""
    _check_few_strings(data)
    found = msgspec.json.decode(data, type=schema)
    _check_no_duplicates(data, schema)
    return found


def _check_few_strings(data: bytes) -> None:
    """Millions of small things take a hundred times the memory of the body, and seconds: nobody needs it."""
    at = -1
    for _ in range(MOST_QUOTES + 1):
        if (at := data.find(b'"', at + 1)) < 0:
            return
    raise InvalidBody("it has more fields and strings than any request")


def _check_no_duplicates(data: bytes, schema: type[msgspec.Struct]) -> None:
    """A field given twice means one thing to a gateway and another to us (msgspec takes the last).

    Only of what fits the schema otherwise, and so is no tree of other things.
    """
    names = _field_names(schema).findall(data)
    # A value may look so, too: only now is the whole body parsed once more.
    if b"\\u" in data or len(set(names)) < len(names):
        json.loads(data, object_pairs_hook=_without_duplicates)


@cache
def _field_names(schema: type[msgspec.Struct]) -> re.Pattern[bytes]:
    names = "|".join((*schema.__struct_fields__, *TemplateIn.__struct_fields__))
    return re.compile(rb'"(%s)"\s*:' % names.encode())


def _without_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise InvalidBody("a field comes twice")
    return dict(pairs)


def _invalid(message: str, schema: type[msgspec.Struct]) -> InvalidBody:
    message = message[:MAX_ECHO]  # what a caller sent is not sent back at length
    said, where, place = message.partition(" - at `$.")
    if "unknown field" in message:
        return UnknownField(
            message if where else f"{message}; known are {', '.join(schema.__struct_fields__)}"
        )
    if "base64" in message:
        return InvalidBase64(message)
    if said.startswith("Invalid enum value") and (allowed := choices(schema, place.rstrip("`"))):
        message = f"{said}; allowed are {', '.join(allowed)}{where}{place}"
    return InvalidBody(message)
