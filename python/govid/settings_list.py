"""What each setting is, what it is now and where that comes from: ``govid settings`` and docs/settings.md."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from govid import config

_WITH_PASSWORD = re.compile("://[^/]*@")


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting of an installation."""

    name: str
    variable: str
    kind: str
    default: str
    about: str
    value: str
    """``***`` where it is, or may hold, a secret."""
    origin: str
    """``default``, the variable, the file with the name in it, or ``command line``."""


def settings(
    *types: type[msgspec.Struct], environment: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> list[Setting]:
    """All settings of these types, in the order of their classes.

    Raises:
        InvalidSettings: an unknown name, a wrong type or a value out of range.
    """
    origin = {name: source for name, _, source in config.given(environment, overrides)}
    origin |= dict.fromkeys(overrides or (), "command line")
    return [
        msgspec.structs.replace(setting, value=_shown(name, value), origin=origin.get(name, "default"))
        for found in config.load(*types, environment=environment, overrides=overrides)
        for name, value, setting in _described(found)
    ]


def _described(found: msgspec.Struct) -> Iterator[tuple[str, Any, Setting]]:
    kind = type(found)
    schema = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    for field in msgspec.structs.fields(kind):
        default = _text(field.default)
        setting = Setting(
            name=field.name,
            variable=config.PREFIX + field.name.upper(),
            kind=_kind(schema[field.name]),
            default=default,
            about=schema[field.name]["description"],
            value=default,
            origin="default",
        )
        yield field.name, getattr(found, field.name), setting


def _shown(name: str, value: Any) -> str:  # noqa: ANN401 - of any setting
    secret = name in config.SECRETS or _WITH_PASSWORD.search(_text(value))
    return "***" if value and secret else _text(value)


def _text(value: Any) -> str:  # noqa: ANN401 - of any setting
    """As a variable would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return ",".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _kind(schema: Mapping[str, Any]) -> str:
    """A type with what it allows, in words."""
    if "enum" in schema:
        return " or ".join(f"`{one}`" for one in schema["enum"])
    if schema["type"] == "array":
        return f"{_kind(schema['items'])}, several with commas between"
    if schema["type"] == "boolean":
        return "`true` or `false`"
    name = {"string": "text", "integer": "whole number", "number": "number"}[schema["type"]]
    bounds = (
        ("minimum", "from {:g}"),
        ("exclusiveMinimum", "above {:g}"),
        ("maximum", "to {:g}"),
        ("exclusiveMaximum", "below {:g}"),
    )
    allowed = [words.format(schema[bound]) for bound, words in bounds if bound in schema]
    return f"{name} {' '.join(allowed)}".rstrip()
