"""What every reply carries: what its caller may see, the timeline, and whether it was kept from earlier."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.params import HeaderParameter
from litestar.types import ASGIApp, HTTPResponseStartEvent, Receive, Scope, Send

from govid.adjudication import Case
from govid.callers import Caller
from govid.disclosure import shown
from govid.errors import InvalidBody, InvalidIdempotencyKey
from govid.pipeline import Engine
from govid.results import Deletion, EmbeddedTemplate, Enrolment, Identification, Verification
from govid.types import Decision, PackedTemplate
from server.metrics import Metrics
from server.schemas import TemplateIn

Result = TypeVar("Result", Verification, Identification, Enrolment, EmbeddedTemplate)

IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name="Idempotency-Key",
        required=False,
        description="1 to 128 visible ASCII characters; the same key and request again gives the first reply",
        # Said here and judged by ``checked_key``, whose refusal has a slug of its own.
        schema_extra={"minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
    ),
]
MAX_KEY = 128


def request_id(request: Request[Any, Any, Any]) -> str:
    """The id the observer gave this request."""
    return str(request.scope["state"]["request_id"])


def caller_of(request: Request[Any, Any, Any]) -> Caller:
    """Who sent this request, as the gate found."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def about(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """What the engine has to know of a request beside its body: its id and who sent it."""
    return {"request_id": request_id(request), "caller": caller_of(request)}


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
    """The result as its caller may see it, with its timeline as ``Server-Timing`` (milliseconds) if that is
    theirs to see. What it decided and how long its stages took is counted all the same.

    A replayed reply ran no stage and has none.
    """
    seen = shown(result, caller_of(request))
    timeline = {**seen.stages, "total": seen.milliseconds} if seen.stages else {}
    timing = ", ".join(f"{stage};dur={spent:.3f}" for stage, spent in timeline.items())
    headers = {"Server-Timing": timing} if timing else {}
    return _Reply(seen, status, headers, lambda: _count(metrics, operation, result))


def noted(request: Request[Any, Any, Any], engine: Engine, use_case: str) -> str:
    """The use case, noted for metrics, log and trace of its request: no made-up name fills them."""
    request.scope["state"]["use_case"] = use_case if use_case in engine.use_cases else "unknown"
    return use_case


def marked_if_replayed(
    request: Request[Any, Any, Any], response: Response[Any], result: Enrolment | Deletion | Case
) -> None:
    """A kept reply has the id of the request that made it."""
    if result.request_id != request_id(request):
        response.headers["Idempotency-Replayed"] = "true"


def _count(metrics: Metrics, operation: str, result: Result) -> None:
    """Its stages, and a decision with its highest score where that is near.

    What is far would tell who is enrolled: one request between two looks at the metrics shows its score, and
    that of a subject who is not enrolled is always that against the decoy.
    """
    for stage, spent in result.stages.items():
        metrics.stage_of(operation, stage).observe(spent / 1e3)
    if isinstance(result, Verification):
        score = None if result.decision is Decision.NON_MATCH else result.score
    elif isinstance(result, Identification):
        score = result.candidates[0].score if result.candidates else None
    else:
        return
    metrics.decisions_of(operation, result.use_case, result.decision).inc()
    if score is not None:
        metrics.scores_of(operation, result.use_case).observe(score)


class _Reply(Response[Any]):
    """A result as JSON, sent without what Litestar's own response asks of contents of any kind.

    ``sent`` is called behind the last byte: nobody waits for it.
    """

    def __init__(
        self, result: msgspec.Struct, status: int, headers: dict[str, str], sent: Callable[[], None]
    ) -> None:
        super().__init__(result, status_code=status, headers=headers)
        self._sent = sent

    def to_asgi_response(self, *_: object, **__: object) -> ASGIApp:  # type: ignore[override]
        body = msgspec.json.encode(self.content)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            *((name.lower().encode(), value.encode()) for name, value in self.headers.items()),
        ]

        async def reply(_: Scope, __: Receive, send: Send) -> None:
            start: HTTPResponseStartEvent = {
                "type": "http.response.start",
                "status": self.status_code or 200,
                "headers": headers,
            }
            await send(start)
            await send({"type": "http.response.body", "body": body, "more_body": False})
            self._sent()

        return reply
