"""Which scope each route asks for: one table, and whatever is not in it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from govid.callers import Scope


class Door(Enum):
    """A route that asks for no scope."""

    OPEN = "anybody"
    KNOWN = "any relying party"
    METRICS = "anybody or admin, by the setting open_metrics"
    SCHEMA = "anybody or any relying party, by the setting open_schema"


_KNOWS_SUBJECTS = frozenset({Scope.ENROL, Scope.ADJUDICATE, Scope.AUDIT, Scope.ADMIN})

# A set: any one of these scopes will do.
ROUTES: Mapping[str, Door | frozenset[Scope]] = {
    "GET /healthz": Door.OPEN,
    "GET /readyz": Door.OPEN,
    "GET /metrics": Door.METRICS,
    "GET /schema": Door.SCHEMA,
    "GET /schema/openapi.json": Door.SCHEMA,
    "GET /schema/openapi.yaml": Door.SCHEMA,
    "GET /schema/openapi.yml": Door.SCHEMA,
    "GET /schema/{path}": Door.SCHEMA,
    "GET /v1/models": Door.KNOWN,
    "POST /v1/compare": frozenset({Scope.VERIFY}),
    "POST /v1/verify": frozenset({Scope.VERIFY}),
    "POST /v1/identify": frozenset({Scope.IDENTIFY}),
    # It gives a template away.
    "POST /v1/embed": frozenset({Scope.ENROL}),
    "POST /v1/subjects": frozenset({Scope.ENROL}),
    "GET /v1/subjects": _KNOWS_SUBJECTS,
    "GET /v1/subjects/{subject_id}": _KNOWS_SUBJECTS,
    "DELETE /v1/subjects/{subject_id}": frozenset({Scope.ENROL}),
    "POST /v1/subjects/{subject_id}/references": frozenset({Scope.ENROL}),
}
