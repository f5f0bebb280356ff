"""The policies in force, as they are."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Controller, Request, get
from litestar.di import NamedDependency
from msgspec import Meta

from govid.pipeline import Engine
from govid.policy import UseCase
from server.openapi import problems
from server.service import Service


class UseCaseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A use case, and what this installation makes of it."""

    policy: Annotated[str, Meta(description="As replies, audit and receipts name it")]
    use_case: UseCase
    model_id: Annotated[
        str | None, Meta(description="Of the templates it compares; null: not available here")
    ]
    threshold: Annotated[
        float | None,
        Meta(description="Least score of a MATCH against one reference; more references raise it"),
    ]
    available: bool
    reason: Annotated[str, Meta(description="Why it is not available")] = ""


class UseCaseController(Controller):
    """What each purpose allows and asks for."""

    path = "/v1/use-cases"
    tags = ("system",)

    @get(responses=problems(503))
    async def use_cases(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> list[UseCaseInfo]:
        """All use cases, by name."""
        return await service.run(request, "use_cases", use_cases)


def use_cases(engine: Engine) -> list[UseCaseInfo]:
    """All use cases, and what this installation makes of each."""
    return [
        UseCaseInfo(
            policy=about.purpose.policy_id,
            use_case=about.purpose,
            model_id=about.model_id,
            threshold=about.threshold,
            available=not about.obstacle,
            reason=about.obstacle,
        )
        for about in engine.purposes()
    ]
