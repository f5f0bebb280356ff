"""The policies in force, as they are."""

from __future__ import annotations

from typing import Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.response import Template

from govid.callers import Scope
from server.console.console import Console, may
from server.controllers.reply import caller_of
from server.controllers.use_cases import use_cases
from server.messages import rationale


class PolicyPage(Controller):
    """Read only: a policy is a file of the operator's, kept where files are reviewed."""

    @get("/policies")
    async def policies(self, request: Request[Any, Any, Any], console: NamedDependency[Console]) -> Template:
        """All use cases, and what is wrong with a file that was changed."""
        spoken = console.words(request).spoken
        known, problem = await console.service.run(
            request, "use_cases", lambda engine: (use_cases(engine, spoken), engine.use_cases.problem)
        )
        operator = may(caller_of(request), Scope.ADMIN)
        return console.page(
            request,
            "policies",
            known=known,
            rationales={one.policy: rationale(one.use_case, spoken) for one in known},
            wrong=bool(problem),
            # It names files of the server.
            problem=problem if operator else "",
        )
