"""The policies in force, as they are."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency

from govid.pipeline import Engine
from govid.wire import UseCaseInfo
from server.openapi import problems
from server.service import Service


class UseCaseController(Controller):
    """What each purpose allows and asks for."""

    path = "/v1/use-cases"
    tags = ("system",)

    @get(responses=problems(503))
    async def use_cases(
        self, request: Request[Any, Any, Any], service: NamedDependency[Service]
    ) -> list[UseCaseInfo]:
        """All use cases, by name."""
        return await service.run(request, "use_cases", _use_cases)


def _use_cases(engine: Engine) -> list[UseCaseInfo]:
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
