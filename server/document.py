"""The OpenAPI document: names, summaries and reply headers, said once for all routes.

A route is called what its handler is called, and summed up by the first sentence of its docstring.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import OpenAPI

from govid.audit_words import OPERATIONS, OUTCOMES

HEADERS: dict[str, dict[str, Any]] = {
    "X-Request-Id": {
        "description": "Under it the audit record, the log and the operator find this request",
        "schema": {"type": "string"},
    },
    "Retry-After": {
        "description": "Seconds to wait before the request has a chance",
        "schema": {"type": "integer", "minimum": 0},
    },
    "WWW-Authenticate": {
        "description": "How to say who asks (RFC 6750)",
        "schema": {"type": "string"},
    },
    "Content-Language": {
        "description": "Of what is for people: `en` or `zh`, by Accept-Language",
        "schema": {"type": "string"},
    },
    "Idempotency-Replayed": {
        "description": "`true`: the first reply to that Idempotency-Key once more; nothing was done",
        "schema": {"type": "string", "const": "true"},
    },
    "Server-Timing": {
        "description": "Milliseconds by stage and in total, for who may see them; none in a kept reply",
        "schema": {"type": "string"},
    },
    "Deprecation": {
        "description": "Only of a route that will go: since when it should not be used (RFC 9745), `@` and "
        "seconds since the epoch (UTC)",
        "schema": {"type": "string", "pattern": "^@[0-9]+$"},
    },
    "Sunset": {
        "description": "Only of a route that will go: until when it still works (RFC 8594), an HTTP date",
        "schema": {"type": "string"},
    },
}


@dataclass
class Document(OpenAPI):
    """The document with what all routes have in common."""

    def to_schema(self) -> dict[str, Any]:
        """As JSON has it."""
        document = super().to_schema()
        document["components"]["headers"] = HEADERS
        schemas = document["components"]["schemas"]
        for name in ("AuditRecord", "Use"):
            schemas[name]["properties"]["operation"]["enum"] = sorted(OPERATIONS)
            schemas[name]["properties"]["outcome"]["enum"] = sorted(OUTCOMES)
        for methods in document["paths"].values():
            for operation in methods.values():
                _sum_up(operation)
                for status, reply in operation["responses"].items():
                    names = {*reply.get("headers", ()), *_headers(operation, status, reply, schemas)}
                    reply["headers"] = {n: {"$ref": f"#/components/headers/{n}"} for n in sorted(names)}
        return document


@dataclass
class DocumentConfig(OpenAPIConfig):
    """Makes such a document."""

    def __post_init__(self) -> None:
        self.use_handler_docstrings = True
        self.operation_id_creator = _named
        super().__post_init__()

    def to_openapi_schema(self) -> OpenAPI:
        """The document without its routes, which Litestar adds."""
        bare = super().to_openapi_schema()
        return Document(**{name: getattr(bare, name) for name in bare.__dataclass_fields__})


def _named(handler: HTTPRouteHandler, *_: object) -> str:
    return handler.handler_name


def _sum_up(operation: dict[str, Any]) -> None:
    first, _, rest = " ".join(operation.pop("description", "").split()).partition(". ")
    operation["summary"] = first.removesuffix(".")
    if rest:
        operation["description"] = rest


def _headers(
    operation: dict[str, Any], status: str, reply: dict[str, Any], schemas: dict[str, Any]
) -> list[str]:
    """Names of the headers that a reply of a route may have."""
    names = ["X-Request-Id", "Deprecation", "Sunset"]
    if status in {"429", "503"}:
        names.append("Retry-After")
    if status == "401":
        names.append("WWW-Authenticate")
    if "application/problem+json" in reply.get("content", {}):
        names.append("Content-Language")
    if status.startswith("2"):
        if any(one["name"] == "Idempotency-Key" for one in operation.get("parameters", ())):
            names.append("Idempotency-Replayed")
        shown = (content["schema"].get("$ref", "") for content in reply.get("content", {}).values())
        if any("stages" in schemas[ref.rsplit("/", 1)[-1]]["properties"] for ref in shown if ref):
            names.append("Server-Timing")
    return names
