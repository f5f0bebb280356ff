"""Suspected duplicates, and what people decide of them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Controller, Request, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from govid import case_photos
from govid.adjudication import MAX_PAGE, Adjudication, Case, CasePage
from govid.disclosure import shown
from govid.face_region import MEDIA_TYPE
from govid.pipeline import Engine
from server import bodies
from server.controllers.reply import IdempotencyKey, about, caller_of, checked_key, marked_if_replayed
from server.openapi import problems, reads
from server.schemas import VerdictRequest
from server.service import Service


class CaseController(Controller):
    """Nothing is merged or deleted by a verdict; a held subject is released by `different` and `twins`."""

    path = "/v1/cases"
    tags = ("cases",)

    @get(responses=problems(400, 503))
    async def cases(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        which: Annotated[
            Literal["open", "closed"], QueryParameter(name="state", description="Undecided or decided")
        ] = "open",
        after: Annotated[int, QueryParameter(description="Return cases behind this one")] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 100,
    ) -> CasePage:
        """Cases of suspected duplicates, the oldest first, page by page."""
        page = await service.run(
            request,
            "cases",
            lambda engine: queue(engine).page(closed=which == "closed", after=after, limit=limit),
        )
        return shown(page, caller_of(request))

    @get("/{case_id:int}", responses=problems(404, 503))
    async def case(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], case_id: FromPath[int]
    ) -> Case:
        """One case with its pairs and all that was said of them."""
        case = await service.run(request, "case", lambda engine: queue(engine).case(case_id))
        return shown(case, caller_of(request))

    @get(
        "/{case_id:int}/photos/{reference_id:int}",
        media_type=MEDIA_TYPE,
        responses=problems(404, 409, 503),
    )
    async def case_photo(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        case_id: FromPath[int],
        reference_id: FromPath[int],
    ) -> Response[bytes]:
        """The kept photo of a reference of an open case, as JPEG. Each look leaves an audit record."""
        photo = await service.run(
            request,
            "view_photo",
            lambda engine: case_photos.case_photo(engine.store, case_id, reference_id, **about(request)),
        )
        return Response(photo.data, media_type=photo.media_type)

    @post(
        "/{case_id:int}/verdicts",
        operation_class=reads(VerdictRequest),
        responses=problems(400, 404, 408, 409, 413, 415, 422, 503),
        status_code=200,
    )
    async def decide(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        case_id: FromPath[int],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Case]:
        """Say what the subjects of a case are to each other. The reply is the case as it then is."""
        key = checked_key(request, idempotency_key)

        def call(engine: Engine, body: bodies.Body) -> Case:
            asked = body.parse(VerdictRequest)
            return queue(engine).decide(
                case_id,
                asked.verdict,
                adjudicator=asked.adjudicator,
                note=asked.note,
                subjects=asked.subjects,
                idempotency_key=key,
                **about(request),
            )

        result = await service.answer(request, "adjudicate", call)
        response = Response(shown(result, caller_of(request)))
        marked_if_replayed(request, response, result)
        return response


def queue(engine: Engine) -> Adjudication:
    """The cases of an engine's store, decided as its settings say."""
    return Adjudication(engine.store.database, required=engine.settings.adjudicators_required)
