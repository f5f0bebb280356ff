"""Complaints: what citizens said of decisions, by when it has to be answered, and how it was."""

from __future__ import annotations

import time
from typing import Any

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Redirect, Template

from govid.ledger.ledger import MAX_COMMENT
from server.console import forms
from server.console.console import Console, to
from server.controllers.reply import about

ROWS = 50


class ComplaintPages(Controller):
    """Oldest first: the deadline of the first one is the nearest."""

    @get("/complaints")
    async def complaints(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        after: FromQuery[int] = 0,
        everything: FromQuery[bool] = False,
        done: FromQuery[bool] = False,
    ) -> Template:
        """Open complaints, or all."""
        found = await console.service.run(
            request,
            "complaints",
            lambda engine: engine.ledger.complaints(after=after, limit=ROWS, open_only=not everything),
        )
        return console.page(
            request,
            "complaints",
            complaints=found.complaints,
            next_after=found.next_after,
            everything=everything,
            after=after,
            done=done,
            longest=MAX_COMMENT,
            now=time.time(),
        )

    @post("/complaints/{complaint_id:int}/answer")
    async def answer(
        self, request: Request[Any, Any, Any], console: NamedDependency[Console], complaint_id: FromPath[int]
    ) -> Redirect:
        """Close a complaint with its answer, or put a further one beside the answer of one that is closed."""
        fields = await forms.read(request, console.cookies)
        answer = forms.text(fields, "answer", longest=MAX_COMMENT)
        correction = fields.get("correction") == "true"
        await console.service.run(
            request,
            "answer",
            lambda engine: engine.ledger.close_complaint(
                complaint_id, answer, correction=correction, **about(request)
            ),
        )
        # Only among all of them is one that is closed.
        return to(f"/console/complaints?{'everything=true&' if correction else ''}done=true")
