"""The audit: the latest decisions, a search, one row, and whether the chain is whole."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery
from litestar.response import Template

from govid.disclosure import shown
from govid.ledger.ledger import AuditPage
from govid.pipeline import Engine
from govid.store.audit import AuditFilter
from govid.types import Decision
from server.console import forms
from server.console.console import Console
from server.console.shown import seconds_of
from server.controllers.reply import caller_of
from server.errors import NotFound

ROWS = 50
MOST_EXAMINED = 1_000_000
"""Rows of a chain that the server follows while somebody waits; more are for the command line."""
_FIELDS = ("operation", "outcome", "use_case", "caller", "subject_id", "request_id")
_TIMES = ("since", "until")


class AuditPages(Controller):
    """For auditors. What a caller may see of a row is what the interface would show it."""

    @get("/decisions")
    async def decisions(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        before: FromQuery[int | None] = None,
    ) -> Template:
        """MATCH, NON_MATCH and INCONCLUSIVE, newest first."""
        found = await console.service.run(request, "audit", lambda engine: _decisions(engine, before))
        return console.page(request, "decisions", found=shown(found, caller_of(request)), before=before)

    @get("/audit", opt={"query": (*_FIELDS, *_TIMES)})
    async def search(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        before: FromQuery[int | None] = None,
    ) -> Template:
        """A search; what is left empty does not restrict."""
        asked = {name: request.query_params.get(name, "").strip() for name in (*_FIELDS, *_TIMES)}
        try:
            since, until = (seconds_of(asked[name]) for name in _TIMES)
        except ValueError:
            return console.page(
                request,
                "audit",
                status=400,
                asked=asked,
                found=None,
                signed_to=None,
                older="",
                finding=None,
                too_long=False,
                wrong_time=True,
            )
        wanted = AuditFilter(**{name: asked[name] or None for name in _FIELDS}, since=since, until=until)
        found, signed_to = await console.service.run(
            request,
            "audit",
            lambda engine: (
                engine.ledger.rows(wanted, before=before, limit=ROWS),
                engine.ledger.log.signed_to(),
            ),
        )
        given = {name: value for name, value in asked.items() if value}
        return console.page(
            request,
            "audit",
            asked=asked,
            found=shown(found, caller_of(request)),
            signed_to=signed_to,
            older=urlencode({**given, "before": found.next_before}) if found.next_before else "",
            finding=None,
            too_long=False,
            wrong_time=False,
        )

    @get("/audit/{audit_id:int}")
    async def row(
        self, request: Request[Any, Any, Any], console: NamedDependency[Console], audit_id: FromPath[int]
    ) -> Template:
        """Everything one row says."""
        found = await console.service.run(
            request,
            "audit",
            lambda engine: engine.ledger.rows(AuditFilter(), before=audit_id + 1, limit=1),
        )
        if not found.rows or found.rows[0].audit_id != audit_id:
            raise NotFound
        (row,) = shown(found, caller_of(request)).rows
        fields = msgspec.to_builtins(row.record)
        return console.page(request, "audit-row", row=row, fields=fields)

    @post("/audit/examination", status_code=200)
    async def examine(self, request: Request[Any, Any, Any], console: NamedDependency[Console]) -> Template:
        """Follow the whole chain and check each checkpoint against it, as `govid audit verify` does."""
        await forms.read(request, console.cookies)
        found, signed_to = await console.service.run(request, "audit", _latest)
        too_long = bool(found.rows) and found.rows[0].audit_id > MOST_EXAMINED
        service = console.service
        finding = None if too_long else await service.examination.finding(service.engine.ledger)
        return console.page(
            request,
            "audit",
            asked=dict.fromkeys((*_FIELDS, *_TIMES), ""),
            found=shown(found, caller_of(request)),
            signed_to=signed_to,
            older=urlencode({"before": found.next_before}) if found.next_before else "",
            finding=finding,
            too_long=too_long,
            wrong_time=False,
        )


def _decisions(engine: Engine, before: int | None) -> AuditPage:
    pages = [
        engine.ledger.rows(AuditFilter(outcome=decision), before=before, limit=ROWS) for decision in Decision
    ]
    rows = sorted((row for page in pages for row in page.rows), key=lambda row: -row.audit_id)
    more = len(rows) > ROWS or any(page.next_before for page in pages)
    rows = rows[:ROWS]
    return AuditPage(rows=tuple(rows), next_before=rows[-1].audit_id if more else None)


def _latest(engine: Engine) -> tuple[AuditPage, int]:
    return engine.ledger.rows(AuditFilter(), limit=ROWS), engine.ledger.log.signed_to()
