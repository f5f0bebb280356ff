"""1:1 and 1:N: compare, verify, identify, and the template behind them."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency

from govid.pipeline import Engine
from govid.results import EmbeddedTemplate, Identification, Verification
from server import bodies
from server.controllers.reply import about, noted, portrait, timed
from server.openapi import problems, reads
from server.schemas import CompareRequest, EmbedRequest, IdentifyRequest, VerifyRequest
from server.service import Service

_BODY = (408, 413, 415, 422, 503)
# 501: the use case demands what this govid cannot do.
_USE_CASE = (*_BODY, 501)


class ComparisonController(Controller):
    """Questions about faces. Nothing but the audit record is stored."""

    path = "/v1"
    tags = ("comparison",)
    request_max_body_size = bodies.ONE_PHOTO_BODY

    @post(
        "/compare",
        operation_class=reads(CompareRequest),
        responses=problems(*_USE_CASE),
        request_max_body_size=bodies.TWO_PHOTO_BODY,
        status_code=200,
    )
    async def compare(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
    ) -> Response[Verification]:
        """Do two photos show the same person?"""

        def call(engine: Engine, body: bodies.Body) -> Verification:
            asked = body.parse(CompareRequest)
            return engine.compare(
                asked.reference_photo,
                asked.probe_photo,
                use_case=noted(request, engine, asked.use_case),
                **about(request),
            )

        result = await service.answer(request, "compare", call)
        return timed(request, service.metrics, "compare", result)

    @post(
        "/verify",
        operation_class=reads(VerifyRequest),
        responses=problems(*_USE_CASE, 404, 409),
        status_code=200,
    )
    async def verify(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
    ) -> Response[Verification]:
        """Is the photo or template the enrolled subject?"""

        def call(engine: Engine, body: bodies.Body) -> Verification:
            asked = body.parse(VerifyRequest)
            return engine.verify(
                asked.subject_id,
                portrait(asked.photo, asked.template),
                use_case=noted(request, engine, asked.use_case),
                **about(request),
            )

        result = await service.answer(request, "verify", call)
        return timed(request, service.metrics, "verify", result)

    @post(
        "/identify", operation_class=reads(IdentifyRequest), responses=problems(*_USE_CASE), status_code=200
    )
    async def identify(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
    ) -> Response[Identification]:
        """Who of all enrolled subjects is it? NON_MATCH says: nobody known."""

        def call(engine: Engine, body: bodies.Body) -> Identification:
            asked = body.parse(IdentifyRequest)
            return engine.identify(
                portrait(asked.photo, asked.template),
                use_case=noted(request, engine, asked.use_case),
                max_candidates=asked.max_candidates,
                subjects=asked.subjects,
                groups=asked.groups,
                **about(request),
            )

        result = await service.answer(request, "identify", call)
        return timed(request, service.metrics, "identify", result)

    @post("/embed", operation_class=reads(EmbedRequest), responses=problems(*_BODY), status_code=200)
    async def embed(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
    ) -> Response[EmbeddedTemplate]:
        """The template of one photo; nothing is stored."""

        def call(engine: Engine, body: bodies.Body) -> EmbeddedTemplate:
            return engine.embed(body.parse(EmbedRequest).photo, **about(request))

        return timed(request, service.metrics, "embed", await service.answer(request, "embed", call))
