"""What a field may say, for an error to tell."""

from __future__ import annotations

import msgspec
from msgspec import inspect


def choices(schema: type[msgspec.Struct], field: str) -> list[str]:
    """The values of a field that is one of a few words; none for any other."""
    found = {one.name: one.type for one in inspect.type_info(schema).fields}.get(field)  # type: ignore[attr-defined]
    while isinstance(found, inspect.Metadata):
        found = found.type
    if isinstance(found, inspect.LiteralType):
        return [str(value) for value in found.values]
    return [str(value) for value in found.cls] if isinstance(found, inspect.EnumType) else []
