"""What the query of a route may say: nothing is ignored, because without a misspelt filter more is shown."""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from litestar.handlers import BaseRouteHandler
from litestar.openapi.spec import Operation
from litestar.params import QueryParameter
from litestar.typing import FieldDefinition

from govid.errors import InvalidParameter

MAX_ECHO = 200
"""Characters of what a caller sent that are sent back."""
MAX_QUERY = 8 * 1024
"""Bytes of a query that Litestar reads: it remembers a thousand of them, whoever sent them."""


def check(scope: Any) -> None:  # noqa: ANN401 - an ASGI scope with Litestar's own keys
    """Refuse a parameter that the route does not know, or that comes twice.

    A route that reads some by itself names them in ``opt``, as ``query``.

    Raises:
        InvalidParameter: the detail names those that it knows.
    """
    query: bytes = scope["query_string"]
    handler = scope["route_handler"]
    # Where there is a body, its parser reads the query, too.
    if not query or getattr(handler, "operation_class", Operation) is not Operation:
        return
    if len(query) > MAX_QUERY:
        raise InvalidParameter(f"the query has {len(query)} bytes, at most {MAX_QUERY}")
    # What is no ASCII, and more of them than any route has, is for the check of the names to refuse.
    names = [name for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True)]
    known = (*_known(handler), *handler.opt.get("query", ()))
    if unknown := set(names) - set(known):
        raise InvalidParameter(f"unknown: {min(unknown)[:64]!r}; known are {', '.join(known) or 'none'}")
    if len(set(names)) < len(names):
        raise InvalidParameter("a parameter comes twice")


def mistake(handler: BaseRouteHandler, found: object) -> str:
    """Which parameter is wrong and what is allowed, from what Litestar found; its own words name neither."""
    first = found[0] if isinstance(found, list) and found else None
    if not isinstance(first, dict) or not {"key", "message"} <= first.keys():
        return ""
    field = handler.parsed_fn_signature.parameters.get(first["key"])
    name, said = first["key"], str(first["message"])
    if field is not None:
        name = _public_name(first["key"], field)
        if field.is_literal:
            said += f"; allowed are {', '.join(map(str, field.args))}"
    return f"{said} - at `$.{name}`"[:MAX_ECHO]


@cache
def _known(handler: BaseRouteHandler) -> tuple[str, ...]:
    return tuple(
        _public_name(name, field)
        for name, field in handler.parsed_fn_signature.parameters.items()
        if isinstance(field.kwarg_definition, QueryParameter)
    )


def _public_name(name: str, field: FieldDefinition) -> str:
    return getattr(field.kwarg_definition, "name", None) or name
