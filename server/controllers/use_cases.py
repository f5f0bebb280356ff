"""The policies in force, as they are."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, Response, get
from litestar.datastructures import ResponseHeader
from litestar.di import NamedDependency

from govid.pipeline import Engine, Purpose
from govid.wire import UseCaseInfo
from server import language
from server.language import Language
from server.messages import message
from server.openapi import problems
from server.service import Service

SPOKEN = ResponseHeader(name="Content-Language", documentation_only=True)


class UseCaseController(Controller):
    """What each purpose allows and asks for."""

    path = "/v1/use-cases"
    tags = ("system",)

    @get(responses=problems(503), response_headers=[SPOKEN])
    async def use_cases(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> Response[list[UseCaseInfo]]:
        """All use cases, and whether each is available here."""
        spoken = language.of(request.scope["headers"])
        found = await service.run(request, "use_cases", lambda engine: use_cases(engine, spoken))
        return Response(found, headers=language.headers(spoken))


_COLON = {Language.ENGLISH: ": ", Language.CHINESE: "："}


def use_cases(engine: Engine, spoken: Language) -> list[UseCaseInfo]:
    """All use cases, and what this installation makes of each."""
    return [_told(about, spoken) for about in engine.purposes()]


def _told(about: Purpose, spoken: Language) -> UseCaseInfo:
    reason = message(about.obstacle, spoken) if about.obstacle else None
    return UseCaseInfo(
        policy=about.purpose.policy_id,
        use_case=about.purpose,
        model_id=about.model_id,
        threshold=about.threshold,
        available=reason is None,
        largest_gallery=about.largest_gallery,
        reason=f"{reason.title}{_COLON[spoken]}{reason.detail}" if reason else "",
    )
