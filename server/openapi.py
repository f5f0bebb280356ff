"""OpenAPI of the routes that read their body themselves: JSON and multipart by one schema."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.spec import Operation
from litestar.openapi.spec.base import BaseSchemaObject

from server.bodies import JSON, MULTIPART
from server.schemas import Problem


@dataclass
class _RawBody(BaseSchemaObject):
    raw: dict[str, Any]

    def to_schema(self) -> dict[str, Any]:
        return self.raw


def reads(schema: type[msgspec.Struct]) -> type[Operation]:
    """An operation whose request body is ``schema``, as JSON or as multipart/form-data."""
    (described,), definitions = msgspec.json.schema_components([schema])
    as_json = _inlined(described, definitions)
    as_parts = {
        **as_json,
        "properties": {name: _part(name, value) for name, value in as_json["properties"].items()},
    }
    body = _RawBody(
        {"required": True, "content": {JSON: {"schema": as_json}, MULTIPART: {"schema": as_parts}}}
    )

    @dataclass
    class ReadsBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = body  # type: ignore[assignment]

    return ReadsBody


def _part(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    if not name.endswith("photo"):
        return schema
    description = {"description": schema["description"]} if "description" in schema else {}
    return {"type": "string", "contentMediaType": "application/octet-stream", **description}


def _inlined(schema: Any, definitions: dict[str, Any]) -> Any:  # noqa: ANN401 - JSON
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inlined(definitions[schema["$ref"].rsplit("/", 1)[-1]], definitions)
        return {key: _inlined(value, definitions) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_inlined(item, definitions) for item in schema]
    return schema


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The error replies of a route, each a problem+json whose slug tells more."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=HTTPStatus(status).phrase,
            media_type="application/problem+json",
            generate_examples=False,
        )
        for status in statuses
    }
