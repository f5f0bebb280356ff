"""Which scope each route asks for: one table, and whatever is not in it is closed."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from govid.callers import Scope


class Door(Enum):
    """A route that asks for no scope."""

    OPEN = "anybody"
    KNOWN = "any relying party"
    METRICS = "anybody or metrics and admin, by the setting open_metrics"
    SCHEMA = "anybody or any relying party, by the setting open_schema"


_KNOWS_SUBJECTS = frozenset({Scope.ENROL, Scope.ADJUDICATE, Scope.AUDIT, Scope.DISCLOSE, Scope.ADMIN})

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
    # The console: people sign in with a key, and its scopes open the pages as they open the interface.
    "GET /console/sign-in": Door.OPEN,
    "POST /console/sign-in": Door.OPEN,
    "POST /console/language": Door.OPEN,
    "GET /console/assets/{name}": Door.OPEN,
    "POST /console/sign-out": Door.KNOWN,
    "GET /console": Door.KNOWN,
    "GET /console/decisions": frozenset({Scope.AUDIT}),
    "GET /console/audit": frozenset({Scope.AUDIT}),
    "GET /console/audit/{audit_id}": frozenset({Scope.AUDIT}),
    "POST /console/audit/examination": frozenset({Scope.AUDIT}),
    "GET /console/complaints": frozenset({Scope.AUDIT}),
    "POST /console/complaints/{complaint_id}/answer": frozenset({Scope.AUDIT}),
    "GET /console/cases": frozenset({Scope.ADJUDICATE}),
    "GET /console/cases/{case_id}": frozenset({Scope.ADJUDICATE}),
    "POST /console/cases/{case_id}/photos": frozenset({Scope.ADJUDICATE}),
    "POST /console/cases/{case_id}/verdicts": frozenset({Scope.ADJUDICATE}),
    # What each purpose allows is no secret to whoever has to name one, or works here.
    "GET /console/policies": Door.KNOWN,
    "GET /v1/use-cases": Door.KNOWN,
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
    "PUT /v1/subjects/{subject_id}/groups": frozenset({Scope.ENROL}),
    "POST /v1/subjects/{subject_id}/references": frozenset({Scope.ENROL}),
    "DELETE /v1/subjects/{subject_id}/references/{reference_id}": frozenset({Scope.ENROL}),
    "GET /v1/subjects/{subject_id}/uses": frozenset({Scope.AUDIT}),
    # It gives everything away that is held on somebody: for whoever answers citizens, and for no other task.
    "GET /v1/subjects/{subject_id}/export": frozenset({Scope.DISCLOSE}),
    "GET /v1/audit": frozenset({Scope.AUDIT}),
    # Signed, to be published, and about nobody.
    "GET /v1/audit/checkpoints": Door.OPEN,
    "GET /v1/receipts/keys": Door.OPEN,
    # Of whoever holds the receipt: it is the proof.
    "POST /v1/receipts/{request_id}/feedback": Door.OPEN,
    "POST /v1/receipts/{request_id}/answers": Door.OPEN,
    "GET /v1/complaints": frozenset({Scope.AUDIT}),
    "POST /v1/complaints/{complaint_id}/answer": frozenset({Scope.AUDIT}),
    "GET /v1/gallery": frozenset({Scope.ADMIN}),
    # It takes the machine for hours; who starts a job sees how far it is, and not what it finds.
    "POST /v1/dedup/jobs": frozenset({Scope.ADMIN}),
    "POST /v1/dedup/jobs/{job_id}/cancel": frozenset({Scope.ADMIN}),
    "POST /v1/dedup/jobs/{job_id}/resume": frozenset({Scope.ADMIN}),
    "GET /v1/dedup/jobs": frozenset({Scope.ADJUDICATE, Scope.ADMIN}),
    "GET /v1/dedup/jobs/{job_id}": frozenset({Scope.ADJUDICATE, Scope.ADMIN}),
    "GET /v1/dedup/jobs/{job_id}/export": frozenset({Scope.ADJUDICATE}),
    "GET /v1/cases": frozenset({Scope.ADJUDICATE}),
    "GET /v1/cases/{case_id}": frozenset({Scope.ADJUDICATE}),
    "GET /v1/cases/{case_id}/photos/{reference_id}": frozenset({Scope.ADJUDICATE}),
    "POST /v1/cases/{case_id}/verdicts": frozenset({Scope.ADJUDICATE}),
}
