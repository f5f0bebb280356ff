"""What every reply carries: what its caller may see, the timeline, and whether it was kept from earlier."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, Response
from litestar.params import HeaderParameter

from govid.disclosure import Result, shown
from govid.errors import InvalidBody, InvalidIdempotencyKey
from govid.results import Deletion, Enrolment, Identification, Verification
from govid.types import PackedTemplate
from server.metrics import Metrics
from server.schemas import TemplateIn

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        required=False,
        description="1 to 128 visible ASCII characters; the same key and request again gives the first reply",
    ),
]
MAX_KEY = 128


def request_id(request: Request[Any, Any, Any]) -> str:
    """The id the observer gave this request."""
    return str(request.scope["state"]["request_id"])


def about(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What the engine has to know of a request beside its body: its id and who sent it."""
    return {"request_id": request_id(request), "caller": request.scope["state"]["caller"]}


def checked_key(request: Request[Any, Any, Any], key: str | None) -> str | None:
    """The Idempotency-Key, if there is one and it is allowed.

    Raises:
        InvalidIdempotencyKey: it is given twice, empty, too long or not visible ASCII.
    """
    if len(request.headers.getall("idempotency-key", [])) > 1:
        raise InvalidIdempotencyKey("given twice")
    if key is not None and not (1 <= len(key) <= MAX_KEY and all("!" <= c <= "~" for c in key)):
        raise InvalidIdempotencyKey
    return key


def portrait(photo: bytes | None, template: TemplateIn | None) -> bytes | PackedTemplate:
    """Exactly one of photo and template.

    Raises:
        InvalidBody: both or neither are given.
    """
    if (photo is None) == (template is None):
        raise InvalidBody("give exactly one of photo and template")
    if photo is not None:
        return photo
    assert template is not None
    return PackedTemplate(template.model_id, template.embedding)


def timed(
    request: Request[Any, Any, Any],
    metrics: Metrics,
    operation: str,
    result: Result,
    *,
    status: int = 200,
) -> Response[Result]:
    """The result as its caller may see it; its timeline in the stage histograms and, where it may be seen,
    as ``Server-Timing`` (milliseconds).

    A replayed reply ran no stage and has none.
    """
    for stage, spent in result.stages.items():
        metrics.stage_of(operation, stage).observe(spent / 1e3)
    result = shown(result, request.scope["state"]["caller"])
    timeline = {**result.stages, "total": result.milliseconds} if result.stages else {}
    timing = ", ".join(f"{stage};dur={spent:.3f}" for stage, spent in timeline.items())
    return Response(result, status_code=status, headers={"Server-Timing": timing} if timing else {})


def decided(metrics: Metrics, operation: str, result: Verification | Identification) -> None:
    """Count a decision."""
    metrics.decisions_of(operation, result.use_case, result.decision).inc()


def marked_if_replayed(
    request: Request[Any, Any, Any], response: Response[Any], result: Enrolment | Deletion
) -> None:
    """A kept reply has the id of the request that made it."""
    if result.request_id != request_id(request):
        response.headers["Idempotency-Replayed"] = "true"
