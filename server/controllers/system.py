"""For machines that watch machines: health, readiness, metrics, models."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST

from govid.errors import GovidError, NotReady
from govid.pipeline import Engine
from govid.wire import Health, ModelInfo, ModelList
from server.language import Language
from server.messages import message
from server.openapi import OPEN, problems
from server.service import Service

_NOT_READY = ResponseSpec(Health, description="What is away, by name", generate_examples=False)


class SystemController(Controller):
    """Answers that hold nothing about a person."""

    path = "/"
    tags = ("system",)

    @get("/healthz", security=OPEN)
    async def healthz(self) -> Health:
        """Whether the process runs."""
        return Health(status="alive", checks={})

    @get("/readyz", security=OPEN, responses={503: _NOT_READY})
    async def readyz(self, service: NamedDependency[Service]) -> Response[Health]:
        """Whether requests are answered: the models are warm, the gallery is loaded and the store answers.

        200 from then until a stop begins. Anything else that is wrong, a shared gallery away among it,
        is named and does not change the status: a part of the work goes on without, and all servers would
        leave the balancer at once.
        """
        health = await readiness(service)
        if health.status in {"ready", "degraded"}:
            return Response(health)
        return Response(health, status_code=503, headers={"Retry-After": "1"})

    @get("/metrics", media_type=CONTENT_TYPE_LATEST, responses=problems(503))
    async def metrics(self, service: NamedDependency[Service]) -> bytes:
        """Metrics in Prometheus' text format."""
        return service.metrics.render()

    @get("/v1/models", responses=problems(503))
    async def models(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> ModelList:
        """The models in use with digest and licence."""
        return await service.run(request, "models", models)


async def readiness(service: Service, language: Language = Language.ENGLISH) -> Health:
    """``ready``, ``degraded``, ``loading``, ``unavailable`` or ``draining``, and each dependency by name."""
    if service.draining:
        return Health(status="draining", checks={"server": "draining"})
    try:
        checks = await service.look()
    except NotReady:
        return Health(status="loading", checks=dict.fromkeys(("models", "gallery", "store"), "loading"))
    wrong = {check.name: check.problem for check in checks if check.problem}
    vital = any(check.vital for check in checks if check.problem)
    return Health(
        status="unavailable" if vital else "degraded" if wrong else "ready",
        checks={check.name: check.state for check in checks},
        reasons={name: _reason(problem, language) for name, problem in wrong.items()},
    )


def _reason(problem: GovidError, language: Language) -> str:
    # Details name files and addresses: they stay in the log.
    said = message(problem, language, with_detail=False)
    return f"{said.title}. {said.remedy}" if language is Language.ENGLISH else f"{said.title}。{said.remedy}"


def models(engine: Engine) -> ModelList:
    """The models in use."""
    return ModelList(
        models=tuple(
            ModelInfo(
                model_id=spec.model_id,
                kind=spec.kind,
                digest=spec.digest,
                licence=spec.licence,
                licence_note=spec.licence_note,
                homepage=spec.homepage,
                dimension=spec.dimension,
            )
            for spec in engine.models
        ),
        template_model_id=engine.model_id,
        template_precision=engine.settings.precision,
        template_dimension=engine.dimension,
        calibration_id=engine.calibration.calibration_id,
        calibration_lowest_fmr=engine.calibration.lowest_fmr,
    )
