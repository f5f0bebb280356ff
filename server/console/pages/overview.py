"""How the server is, and what waits for people."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Controller, Request, get
from litestar.di import NamedDependency
from litestar.params import QueryParameter
from litestar.response import Template
from markupsafe import Markup

from govid.callers import Caller, Scope
from govid.errors import GalleryUnavailable
from govid.gallery import GalleryStats
from govid.pipeline import Engine
from govid.runtime import live_isa
from govid.svg import legend_key
from govid.wire import ModelList
from server.console import charts
from server.console.catalogue import Words
from server.console.console import Console, may
from server.controllers.cases import queue
from server.controllers.reply import caller_of
from server.controllers.system import models, readiness
from server.history import History, Span

# More are not counted: it is a number for a person to act on.
_MOST = 50


@dataclass(frozen=True, slots=True)
class Inside:
    """What the engine says of itself. A count is None for whoever may not know it."""

    models: ModelList
    gallery: GalleryStats | None
    isa: str
    open_cases: int | None
    open_complaints: int | None
    overdue: int


@dataclass(frozen=True, slots=True)
class Figures:
    """The traffic of a time: in all, as charts, and by route."""

    total: Span
    requests: Markup
    latency: Markup
    routes: list[tuple[str, int, tuple[float, ...]]]
    """Address, answers, and p50, p95, p99 in seconds, the busiest first."""


class OverviewPage(Controller):
    """The first page."""

    @get("/")
    async def overview(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        minutes: Annotated[int, QueryParameter(ge=1, le=60)] = 15,
    ) -> Template:
        """Health for everybody who signed in; figures of the traffic for the operator."""
        caller = caller_of(request)
        health = await readiness(console.service, console.words(request).spoken)
        inside = await console.service.run(request, "overview", lambda engine: _inside(engine, caller))
        figures = None
        if may(caller, Scope.ADMIN):
            # Some milliseconds of work, which nobody at a desk shall wait for.
            figures = await asyncio.to_thread(_figures, console.history, minutes * 60, console.words(request))
        return console.page(
            request,
            "overview",
            health=health,
            inside=inside,
            most=_MOST,
            minutes=minutes,
            figures=figures,
            keys=[Markup(legend_key(number)) for number in range(3)],  # noqa: S704 - of our own making
            now=time.time(),
        )


def _inside(engine: Engine, caller: Caller) -> Inside:
    try:
        gallery = engine.gallery.stats()
    except GalleryUnavailable:
        gallery = None
    cases = complaints = None
    overdue = 0
    if may(caller, Scope.ADJUDICATE):
        cases = len(queue(engine).page(limit=_MOST).cases)
    if may(caller, Scope.AUDIT):
        waiting = engine.ledger.complaints(limit=_MOST).complaints
        complaints, overdue = len(waiting), sum(one.due_at < time.time() for one in waiting)
    return Inside(models(engine), gallery, live_isa(), cases, complaints, overdue)


def _figures(history: History, seconds: float, t: Words) -> Figures:
    spans, total = history.spans(seconds), history.total(seconds)
    routes = [
        (route, counts[-1], tuple(total.quantile(part, route) for part in (0.5, 0.95, 0.99)))
        for route, counts in total.durations.items()
    ]
    routes.sort(key=lambda row: -row[1])
    return Figures(total, charts.requests(t, spans), charts.latency(t, spans), routes)
