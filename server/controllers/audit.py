"""The record of every use: for auditors, for those whose faces were used, for those who answer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream
from msgspec import Meta

from govid import subject_export
from govid.audit_words import OPERATIONS, OUTCOMES
from govid.disclosure import shown
from govid.errors import InvalidParameter
from govid.ledger.ledger import MAX_COMMENT, Answers, AuditPage, Rated, UsePage
from govid.pipeline import Engine
from govid.store.audit import MAX_ROWS, AuditFilter
from govid.store.feedback import ComplaintPage, Rating
from govid.types import EPOCH
from govid.wire import CheckpointList, Jwks
from server import bodies
from server.bodies import JSON
from server.controllers.reply import about, caller_of
from server.openapi import OPEN, problems, reads
from server.service import Service

# Four days of them in some 60 kB: anybody may ask, and need not fetch the answer.
MAX_CHECKPOINTS = 100
Limit = Annotated[int, QueryParameter(ge=1, le=MAX_ROWS)]
Before = Annotated[int | None, QueryParameter(description="Rows whose id is under this one")]
Comment = Annotated[str, Meta(max_length=MAX_COMMENT)]
Proof = Annotated[str, Meta(max_length=8192, description="As it came with the decision: it is the proof")]


class FeedbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rating of a decision by somebody who holds its receipt."""

    receipt: Proof
    rating: Rating
    text: Comment = ""


class AnswersRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question by somebody who holds the receipt of a decision."""

    receipt: Proof


class AnswerRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a complaint was answered."""

    answer: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=MAX_COMMENT,
            description="Whoever holds the receipt of the decision can read it",
        ),
    ]
    correction: Annotated[
        bool, Meta(description="Of a complaint that is answered: the answer before stays beside this one")
    ] = False


def _one_of(words: Mapping[str, str]) -> QueryParameter:
    # Said here and judged by ``_check_word``: as a type it would have to be written out.
    return QueryParameter(schema_extra={"enum": sorted(words)})


def _check_word(name: str, word: str | None, known: Mapping[str, str]) -> None:
    """Raises InvalidParameter for a word that no record has: nothing found would read as nothing done."""
    if word is not None and word not in known:
        raise InvalidParameter(f"no audit record has {word[:64]!r} as {name}")


class AuditController(Controller):
    """Reads the chain."""

    path = "/v1"
    tags = ("audit",)

    @get("/audit", responses=problems(400, 503))
    async def audit(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        subject_id: FromQuery[str | None] = None,
        about_request: Annotated[str | None, QueryParameter(name="request_id")] = None,
        caller: FromQuery[str | None] = None,
        use_case: FromQuery[str | None] = None,
        operation: Annotated[str | None, _one_of(OPERATIONS)] = None,
        outcome: Annotated[str | None, _one_of(OUTCOMES)] = None,
        since: Annotated[float | None, QueryParameter(description=f"{EPOCH}; from then on")] = None,
        until: Annotated[float | None, QueryParameter(description=f"{EPOCH}; before then")] = None,
        before: Before = None,
        limit: Limit = 100,
    ) -> AuditPage:
        """Rows of the audit, newest first, page by page."""
        _check_word("operation", operation, OPERATIONS)
        _check_word("outcome", outcome, OUTCOMES)
        wanted = AuditFilter(
            subject_id=subject_id,
            request_id=about_request,
            caller=caller,
            use_case=use_case,
            operation=operation,
            outcome=outcome,
            since=since,
            until=until,
        )
        page = await service.run(
            request, "audit", lambda engine: engine.ledger.rows(wanted, before=before, limit=limit)
        )
        return shown(page, caller_of(request))

    @get("/audit/checkpoints", security=OPEN, responses=problems(400, 503))
    async def checkpoints(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        after: Annotated[int, QueryParameter(description="Those whose last row is above this one")] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=MAX_CHECKPOINTS)] = MAX_CHECKPOINTS,
    ) -> CheckpointList:
        """Signed Merkle roots of the audit, by pages. Publish them: a change of what they cover shows."""

        def call(engine: Engine) -> CheckpointList:
            # Anybody may ask: an answer that grows with the years would be the easiest flood.
            found = engine.ledger.log.checkpoints(after=after, limit=limit + 1)
            page = found[:limit]
            return CheckpointList(
                checkpoints=tuple(statement for _, statement in page),
                next_after=page[-1][0] if len(found) > limit else None,
            )

        return await service.run(request, "checkpoints", call)

    @get("/subjects/{subject_id:str}/uses", responses=problems(400, 422, 503))
    async def uses(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        subject_id: FromPath[str],
        before: Before = None,
        limit: Limit = 100,
    ) -> UsePage:
        """Every use of one subject's face: by whom, when, for what, and how it was rated."""
        return await service.run(
            request, "uses", lambda engine: engine.ledger.uses(subject_id, before=before, limit=limit)
        )

    @get("/subjects/{subject_id:str}/export", responses=problems(422, 503), media_type=JSON)
    async def export_subject(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], subject_id: FromPath[str]
    ) -> Stream:
        """All that is held on one subject, templates and photos among it, with a signed digest at the end."""
        # The audit record is written before the first byte, whose status cannot be taken back.
        pieces = await service.run(
            request,
            "export_subject",
            lambda engine: subject_export.export(engine.store, engine.ledger, subject_id, **about(request)),
        )
        headers = {"content-disposition": 'attachment; filename="export.json"'}
        return Stream(pieces, media_type=JSON, headers=headers)

    @get("/receipts/keys", security=OPEN, responses=problems(503))
    async def receipt_keys(self, request: Request[Any, Any, Any], service: NamedDependency[Service]) -> Jwks:
        """Public keys that receipts and checkpoints are checked with."""
        return await service.run(request, "keys", lambda engine: Jwks(**engine.ledger.signer.verifier.jwks()))

    @post(
        "/receipts/{request_id:str}/feedback",
        security=OPEN,
        operation_class=reads(FeedbackRequest),
        status_code=201,
        responses=problems(400, 408, 409, 413, 415, 422, 503),
    )
    async def feedback(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], request_id: FromPath[str]
    ) -> Rated:
        """Rate a decision by its receipt. A bad rating opens a complaint that has to be answered."""

        def call(engine: Engine, body: bodies.Body) -> Rated:
            said = body.parse(FeedbackRequest)
            this = about(request)["request_id"]
            return engine.ledger.rate(request_id, said.receipt, said.rating, said.text, request_id=this)

        return await service.answer(request, "feedback", call)

    # By POST: a receipt is a proof, and addresses are kept in logs and histories.
    @post(
        "/receipts/{request_id:str}/answers",
        security=OPEN,
        operation_class=reads(AnswersRequest),
        status_code=200,
        responses=problems(400, 408, 413, 415, 422, 503),
    )
    async def answers(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], request_id: FromPath[str]
    ) -> Answers:
        """How the complaint about a decision was answered, by its receipt. Nothing of who answered."""

        def call(engine: Engine, body: bodies.Body) -> Answers:
            return engine.ledger.answers(request_id, body.parse(AnswersRequest).receipt)

        return await service.answer(request, "answers", call)

    @get("/complaints", responses=problems(400, 503))
    async def complaints(
        self,
        request: Request[Any, Any, Any],
        service: NamedDependency[Service],
        after: Annotated[int, QueryParameter(description="Complaints whose number is above this one")] = 0,
        limit: Limit = 100,
        open_only: FromQuery[bool] = True,
    ) -> ComplaintPage:
        """Bad ratings and how they were answered, oldest first, page by page."""
        return await service.run(
            request,
            "complaints",
            lambda engine: engine.ledger.complaints(after=after, limit=limit, open_only=open_only),
        )

    @post(
        "/complaints/{complaint_id:int}/answer",
        operation_class=reads(AnswerRequest),
        status_code=204,
        responses=problems(400, 404, 408, 413, 415, 422, 503),
    )
    async def answer_complaint(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service], complaint_id: FromPath[int]
    ) -> None:
        """Close a complaint with its answer, which whoever holds the receipt can read."""

        def call(engine: Engine, body: bodies.Body) -> None:
            said = body.parse(AnswerRequest)
            engine.ledger.close_complaint(
                complaint_id, said.answer, correction=said.correction, **about(request)
            )

        await service.answer(request, "answer", call)
