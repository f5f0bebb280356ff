"""The enrolled people and their references."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Controller, Request, Response, delete, get, post, put
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, QueryParameter

from govid.pipeline import Engine
from govid.results import Deletion, Enrolment, ReferenceDeletion, Subject, SubjectGroups, SubjectPage
from govid.subjects import MAX_PAGE
from server import bodies
from server.controllers.reply import (
    IdempotencyKey,
    about,
    checked_key,
    marked_if_replayed,
    portrait,
    timed,
)
from server.metrics import Metrics
from server.openapi import problems, reads
from server.schemas import EnrolRequest, GroupsRequest, ReferenceRequest
from server.service import Service

_BODY = (408, 409, 413, 415, 422, 503)
_HELD = ResponseSpec(Enrolment, description="Kept, and held until a case is decided", generate_examples=False)


class SubjectController(Controller):
    """Writes are durable and searchable when the reply is sent."""

    path = "/v1/subjects"
    tags = ("subjects",)
    request_max_body_size = bodies.ONE_PHOTO_BODY

    @post(operation_class=reads(EnrolRequest), responses={202: _HELD, **problems(*_BODY)})
    async def enrol(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Enrolment]:
        """Create a subject from its first portrait or template."""
        key = checked_key(request, idempotency_key)

        def call(engine: Engine, body: bodies.Body) -> Enrolment:
            asked = body.parse(EnrolRequest)
            return engine.enrol(
                asked.subject_id,
                portrait(asked.photo, asked.template),
                groups=asked.groups,
                keep_photo_days=asked.keep_photo_days,
                idempotency_key=key,
                **about(request),
            )

        return _stored(request, service.metrics, "enrol", await service.answer(request, "enrol", call))

    @post(
        "/{subject_id:str}/references",
        operation_class=reads(ReferenceRequest),
        responses=problems(*_BODY, 404),
    )
    async def add_reference(
        self,
        request: Request[Any, Any, Any],
        subject_id: FromPath[str],
        service: NamedDependency[Service],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Enrolment]:
        """Add one more portrait or template to a subject."""
        key = checked_key(request, idempotency_key)

        def call(engine: Engine, body: bodies.Body) -> Enrolment:
            asked = body.parse(ReferenceRequest)
            return engine.add_reference(
                subject_id,
                portrait(asked.photo, asked.template),
                keep_photo_days=asked.keep_photo_days,
                idempotency_key=key,
                **about(request),
            )

        return _stored(
            request, service.metrics, "add_reference", await service.answer(request, "add_reference", call)
        )

    @delete(
        "/{subject_id:str}/references/{reference_id:int}",
        status_code=200,
        responses=problems(400, 404, 409, 422, 503),
    )
    async def delete_reference(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        subject_id: FromPath[str],
        reference_id: FromPath[int],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[ReferenceDeletion]:
        """Delete one reference of a subject that has others."""
        key = checked_key(request, idempotency_key)
        result = await service.run(
            request,
            "delete_reference",
            lambda engine: engine.delete_reference(
                subject_id, reference_id, idempotency_key=key, **about(request)
            ),
        )
        response = Response(result)
        marked_if_replayed(request, response, result)
        return response

    @put(
        "/{subject_id:str}/groups",
        operation_class=reads(GroupsRequest),
        request_max_body_size=bodies.SMALL_BODY,
        responses=problems(400, 404, 408, 413, 415, 422, 503),
    )
    async def set_groups(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], subject_id: FromPath[str]
    ) -> SubjectGroups:
        """Replace the groups that a subject is in."""

        def call(engine: Engine, body: bodies.Body) -> SubjectGroups:
            return engine.set_groups(subject_id, body.parse(GroupsRequest).groups, **about(request))

        return await service.answer(request, "set_groups", call)

    @get(responses=problems(400, 422, 503))
    async def subjects(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        after: Annotated[str, QueryParameter(description="Return ids that sort behind this one")] = "",
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 100,
    ) -> SubjectPage:
        """Ids of the subjects in order, page by page."""
        return await service.run(
            request, "subjects", lambda engine: engine.subjects(after=after, limit=limit)
        )

    @get("/{subject_id:str}", responses=problems(404, 422, 503))
    async def subject(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        subject_id: FromPath[str],
    ) -> Subject:
        """What is held on a subject, without its templates."""
        return await service.run(request, "subject", lambda engine: engine.subject(subject_id))

    @delete("/{subject_id:str}", status_code=200, responses=problems(400, 404, 422, 503))
    async def delete(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        subject_id: FromPath[str],
        idempotency_key: IdempotencyKey = None,
    ) -> Response[Deletion]:
        """Delete a subject with all its references."""
        key = checked_key(request, idempotency_key)
        result = await service.run(
            request,
            "delete",
            lambda engine: engine.delete(subject_id, idempotency_key=key, **about(request)),
        )
        response = Response(result)
        marked_if_replayed(request, response, result)
        return response


def _stored(
    request: Request[Any, Any, Any], metrics: Metrics, operation: str, result: Enrolment
) -> Response[Enrolment]:
    # 202: it is kept, and not active before a person has decided.
    response = timed(request, metrics, operation, result, status=202 if result.held else 201)
    marked_if_replayed(request, response, result)
    return response
