"""For machines that watch machines: health, readiness, metrics, models."""

from __future__ import annotations

import logging
from typing import Any

from litestar import Controller, Request, Response, get
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from prometheus_client import CONTENT_TYPE_LATEST

from govid.errors import NotReady, StoreUnavailable
from govid.pipeline import Engine
from server.openapi import OPEN, problems
from server.schemas import Health, ModelInfo, ModelList
from server.service import Service

log = logging.getLogger("govid.server")
_NOT_READY = ResponseSpec(Health, description="What is away, by name", generate_examples=False)


class SystemController(Controller):
    """Answers that hold nothing about a person."""

    path = "/"
    tags = ("system",)

    @get("/healthz", security=OPEN)
    async def healthz(self) -> Health:
        """The process runs."""
        return Health(status="alive", checks={})

    @get("/readyz", security=OPEN, responses={503: _NOT_READY})
    async def readyz(self, service: NamedDependency[Service]) -> Response[Health]:
        """200 once the models are warm, the gallery is loaded and the record store answers.

        A shared gallery that is away is named and does not change the status: verification goes on.
        """
        checks = {"models": "ok", "gallery": "ok", "store": "ok"}
        try:
            checks["gallery"] = await service.ping()
        except NotReady:
            return _not_now("loading", dict.fromkeys(checks, "loading"))
        except StoreUnavailable as error:
            log.warning("not ready: %s: %s (%s)", error.slug, error.detail, error.remedy)
            return _not_now("unavailable", {**checks, "store": error.slug})
        return Response(Health(status="ready", checks=checks))

    @get("/metrics", media_type=CONTENT_TYPE_LATEST, responses=problems(503))
    async def prometheus(self, service: NamedDependency[Service]) -> bytes:
        """Metrics in Prometheus' text format."""
        return service.metrics.render()

    @get("/v1/models", responses=problems(503))
    async def models(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> ModelList:
        """The models in use with digest and licence."""
        return await service.run(request, "models", _models)


def _not_now(status: str, checks: dict[str, str]) -> Response[Health]:
    return Response(Health(status=status, checks=checks), status_code=503, headers={"Retry-After": "1"})


def _models(engine: Engine) -> ModelList:
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
        template_dimension=engine.dimension,
        calibration_id=engine.calibration.calibration_id,
        calibration_lowest_fmr=engine.calibration.lowest_fmr,
    )
