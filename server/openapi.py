"""OpenAPI of the routes that read their body themselves: JSON, multipart and bare bytes by one schema."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import msgspec
import yaml
from litestar import Request
from litestar.openapi.datastructures import ResponseSpec
from litestar.openapi.plugins import YamlRenderPlugin
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Parameter,
    Reference,
    Schema,
    SecurityScheme,
)
from litestar.openapi.spec.base import BaseSchemaObject

from govid.wire import Problem
from server.bodies import BINARY, JSON, MULTIPART, parameters, takes_binary

SECURITY_SCHEMES: dict[str, SecurityScheme | Reference] = {
    "bearer": SecurityScheme(
        type="http",
        scheme="bearer",
        description="An API key (`govid_...`), or an access token (JWT) of the configured issuer.",
    ),
    "certificate": SecurityScheme(type="mutualTLS", description="A client certificate of a relying party."),
}
SECURITY: list[dict[str, list[str]]] = [{"bearer": []}, {"certificate": []}]
OPEN: list[dict[str, list[str]]] = [{}]
"""For a route that anybody may ask."""
# What the HTTP parser and the guard of every route answer.
_AT_THE_GATE = (400, 401, 403, 429)


@dataclass
class _RawBody(BaseSchemaObject):
    raw: dict[str, Any]

    def to_schema(self) -> dict[str, Any]:
        return self.raw


def reads(schema: type[msgspec.Struct]) -> type[Operation]:
    """An operation whose request body is ``schema``: JSON, multipart/form-data or, with one photo, binary."""
    (described,), definitions = msgspec.json.schema_components([schema])
    as_json = _inlined(described, definitions)
    as_parts = {
        **as_json,
        "properties": {name: _part(name, value) for name, value in as_json["properties"].items()},
    }
    content: dict[str, Any] = {JSON: {"schema": as_json}, MULTIPART: {"schema": as_parts}}
    query: list[Any] = []
    if takes_binary(schema):
        either = ", or with model_id those of a template, little-endian float32"
        about = f"The bytes of a photo{either if 'template' in schema.__struct_fields__ else ''}"
        content[BINARY] = {"schema": {"type": "string", "format": "binary", "description": about}}
        query = [_parameter(name, as_json["properties"].get(name)) for name in parameters(schema)]
    body = _RawBody({"required": True, "content": content})

    @dataclass
    class ReadsBody(Operation):
        def __post_init__(self) -> None:
            self.request_body = body  # type: ignore[assignment]
            self.parameters = [*(self.parameters or []), *query] or None

    return ReadsBody


def answers(*media_types: str) -> type[Operation]:
    """An operation whose good answer has one of these formats, as the caller asks."""

    @dataclass
    class Answers(Operation):
        def __post_init__(self) -> None:
            good = (self.responses or {})["200"]
            assert isinstance(good, OpenAPIResponse)
            text = Schema(type=OpenAPIType.STRING)
            good.content = {media_type: OpenAPIMediaType(schema=text) for media_type in media_types}

    return Answers


_MODEL_ID = {"type": "string", "description": "The body is a template of this model, not a photo"}


def _parameter(name: str, schema: dict[str, Any] | None) -> Parameter:
    described = dict(schema or _MODEL_ID)
    about = " ".join(filter(None, (f"Only with {BINARY}.", described.pop("description", ""))))
    raw: Any = _RawBody(described)
    return Parameter(name=name, param_in="query", required=False, description=about, schema=raw)


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


class Yaml(YamlRenderPlugin):
    """The document as YAML that every reader takes: Litestar's own has Python's tuples in it.

    Rendered once, because it holds the event loop for 0.15 s, and anybody with a key could ask for it.
    """

    _rendered: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """The document, which does not change while the server runs."""
        del request
        if self._rendered is None:
            plain = msgspec.json.decode(msgspec.json.encode(openapi_schema))
            self._rendered = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode()
        return self._rendered


def problems(*statuses: int) -> dict[int, ResponseSpec]:
    """The error replies of a route, each a problem+json whose slug tells more."""
    return {
        status: ResponseSpec(
            data_container=Problem,
            description=HTTPStatus(status).phrase,
            media_type="application/problem+json",
            generate_examples=False,
        )
        for status in sorted({*_AT_THE_GATE, *statuses})
    }
