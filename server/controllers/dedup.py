"""Dedup jobs: all references against all others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from govid.dedup.export import lines
from govid.dedup.jobs import MAX_PAGE
from govid.dedup.results import DedupJob, DedupJobs
from govid.disclosure import shown
from govid.pipeline import Engine
from server import bodies
from server.controllers.reply import about, caller_of
from server.openapi import answers, problems, reads
from server.schemas import DedupRequest
from server.service import Service

MEDIA_TYPES = {"json": "application/x-ndjson", "csv": "text/csv"}


class DedupController(Controller):
    """A job runs in the background, after live requests. Nothing is merged or deleted by it."""

    path = "/v1/dedup/jobs"
    tags = ("dedup",)

    @post(
        operation_class=reads(DedupRequest),
        responses=problems(400, 404, 408, 409, 413, 415, 503),
        status_code=202,
    )
    async def start_dedup(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> DedupJob:
        """Start a dedup job. 409 names the one of the same kind that is running."""

        def call(_: Engine, body: bodies.Body) -> DedupJob:
            asked = body.parse(DedupRequest)
            return service.dedup.start(asked.since_job, asked.since_reference, **about(request))

        return await service.answer(request, "dedup_start", call)

    @get(responses=problems(400, 503))
    async def dedup_jobs(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        before: Annotated[int | None, QueryParameter(description="Return jobs older than this one")] = None,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_PAGE)] = 20,
    ) -> DedupJobs:
        """Dedup jobs, the newest first, page by page."""
        return await service.run(
            request, "dedup_jobs", lambda _: service.dedup.jobs.jobs(before=before, limit=limit)
        )

    @get("/{job_id:int}", responses=problems(404, 503))
    async def dedup_job(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], job_id: FromPath[int]
    ) -> DedupJob:
        """One dedup job: progress, time left, and how many pairs of strangers to expect."""
        return await service.run(request, "dedup_job", lambda _: service.dedup.jobs.job(job_id))

    @post("/{job_id:int}/cancel", status_code=200, responses=problems(404, 409, 503))
    async def cancel_dedup(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], job_id: FromPath[int]
    ) -> DedupJob:
        """Stop a dedup job; what it found stays. Again, it stays cancelled."""
        return await service.run(
            request, "dedup_cancel", lambda _: service.dedup.jobs.cancel(job_id, **about(request))
        )

    @post("/{job_id:int}/resume", status_code=202, responses=problems(400, 404, 409, 503))
    async def resume_dedup(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], job_id: FromPath[int]
    ) -> DedupJob:
        """Go on with a dedup job that was cancelled or whose workers died."""
        return await service.run(
            request, "dedup_resume", lambda _: service.dedup.resume(job_id, **about(request))
        )

    # No media_type here: it would win over that of the answer.
    @get(
        "/{job_id:int}/export",
        operation_class=answers(*MEDIA_TYPES.values()),
        responses=problems(400, 404, 503),
    )
    async def export_dedup(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        job_id: FromPath[int],
        kind: Annotated[
            Literal["json", "csv"], QueryParameter(name="format", description="A JSON object a line, or CSV")
        ] = "json",
    ) -> Stream:
        """The pairs that a dedup job found so far: ids and scores, never templates."""
        jobs, caller = service.dedup.jobs, caller_of(request)
        # Before the first byte: a status cannot be taken back.
        await service.run(request, "dedup_export", lambda _: jobs.job(job_id))
        pages = ([shown(pair, caller) for pair in page] for page in jobs.export(job_id))
        return Stream(lines(pages, kind), media_type=MEDIA_TYPES[kind])
