"""What calls send. Photos travel as parts: base64 would cost a third more, and addresses end up in logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from govid.results import EmbeddedTemplate
from govid.types import PackedTemplate

Photo: TypeAlias = bytes | Path
"""A JPEG, PNG or WebP file."""
Portrait: TypeAlias = Photo | PackedTemplate | EmbeddedTemplate
"""A photo, or a template as ``embed`` returned it."""


def of_photos(photos: Mapping[str, Photo], **fields: object) -> dict[str, Any]:
    """Photos and other fields as multipart/form-data, in the words of httpx; what is None is left out."""
    return {
        "data": {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in fields.items()
            if value is not None
        },
        "files": {
            # Without the name that the file has here: it may be a person's.
            name: ("photo", _read(photo), "application/octet-stream")
            for name, photo in photos.items()
        },
    }


def of_portrait(portrait: Portrait, **fields: object) -> dict[str, Any]:
    """A photo or a template with other fields."""
    if isinstance(portrait, PackedTemplate):
        return of_json(**fields, template={"model_id": portrait.model_id, "embedding": portrait.data})
    if isinstance(portrait, EmbeddedTemplate):
        return of_json(**fields, template={"model_id": portrait.model_id, "embedding": portrait.embedding})
    return of_photos({"photo": portrait}, **fields)


def of_json(**fields: object) -> dict[str, Any]:
    """Fields as JSON; what is None is left out."""
    content = msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
    return {"content": content, "headers": {"Content-Type": "application/json"}}


def of_query(**parameters: object) -> dict[str, Any]:
    """Parameters of a GET; what is None is left out."""
    return {
        "params": {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in parameters.items()
            if value is not None
        }
    }


def _read(photo: Photo) -> bytes:
    if isinstance(photo, Path):
        return photo.read_bytes()
    # A text would be sent, and refused as no image, byte by byte.
    if not isinstance(photo, bytes):
        raise TypeError(f"a photo is bytes or a Path, not {type(photo).__name__}")
    return photo
