"""Suspected duplicates: the queue, one case with its evidence, and the verdict of whoever reads it."""

from __future__ import annotations

import secrets
from typing import Annotated, Any, Literal, NamedTuple

from litestar import Controller, Request, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Redirect, Template

from govid.adjudication import MAX_NAME, MAX_NOTE, Case, CasePair, Verdict
from govid.calibration import FmrAtScore
from govid.callers import Caller
from govid.disclosure import shown
from govid.errors import CaseClosed, GovidError, InvalidParameter
from govid.pipeline import Engine
from server.console import forms, photos
from server.console.console import Console, to
from server.controllers.cases import queue
from server.controllers.reply import about, caller_of
from server.errors import status_of

ROWS = 50


class Pair(NamedTuple):
    """A pair of references as the page shows it."""

    pair: CasePair
    fmr: FmrAtScore | None
    """Of strangers at this score, by the active calibration; None where the caller may not see the score."""
    settled: Verdict | None


class CasePages(Controller):
    """A verdict is the caller's own word, given by the same function as the interface gives it."""

    @get("/cases")
    async def cases(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        which: Annotated[Literal["open", "closed"], QueryParameter(name="state")] = "open",
        after: FromQuery[int] = 0,
    ) -> Template:
        """The queue, the oldest case first."""
        found = await console.service.run(
            request,
            "cases",
            lambda engine: queue(engine).page(closed=which == "closed", after=after, limit=ROWS),
        )
        return console.page(
            request, "cases", found=shown(found, caller_of(request)), which=which, after=after
        )

    @get("/cases/{case_id:int}")
    async def case(
        self,
        request: Request[Any, Any, Any],
        console: NamedDependency[Console],
        case_id: FromPath[int],
        done: FromQuery[bool] = False,
    ) -> Template:
        """One case: its pairs, what was said of them, and the form."""
        return await _page(request, console, case_id, done=done)

    @post("/cases/{case_id:int}/photos", status_code=200)
    async def look(
        self, request: Request[Any, Any, Any], console: NamedDependency[Console], case_id: FromPath[int]
    ) -> Template:
        """The same page with the photos of one pair. A form, not a link: each look is written down."""
        fields = await forms.read(request, console.cookies)
        a, b = (_number(fields, name) for name in ("reference_a", "reference_b"))
        asked = about(request)
        pair = await console.service.run(
            request, "view_photo", lambda engine: photos.of_pair(engine, case_id, (a, b), **asked)
        )
        return await _page(request, console, case_id, seen=dict(zip((a, b), pair, strict=True)))

    @post("/cases/{case_id:int}/verdicts")
    async def decide(
        self, request: Request[Any, Any, Any], console: NamedDependency[Console], case_id: FromPath[int]
    ) -> Redirect | Template:
        """Take a verdict. What was wrong is said on the page of the case, with what was written kept."""
        fields = await forms.read(request, console.cookies)
        asked = about(request)
        try:
            verdict, subjects = _verdict(fields), _subjects(fields)
            note = forms.text(fields, "note", longest=MAX_NOTE, needed=False)
            key = fields.get("key", "")[:64] or None
            name = fields.get("adjudicator", "").strip() or None
            await console.service.run(
                request,
                "adjudicate",
                lambda engine: queue(engine).decide(
                    case_id,
                    verdict,
                    adjudicator=name,
                    note=note,
                    subjects=subjects,
                    idempotency_key=key,
                    **asked,
                ),
            )
        except (InvalidParameter, CaseClosed) as error:
            return await _page(request, console, case_id, error=error, written=fields)
        return to(f"/console/cases/{case_id}?done=true")


async def _page(
    request: Request[Any, Any, Any],
    console: Console,
    case_id: int,
    *,
    done: bool = False,
    seen: dict[int, str] | None = None,
    error: GovidError | None = None,
    written: dict[str, str] | None = None,
) -> Template:
    caller = caller_of(request)
    case, pairs = await console.service.run(
        request, "case", lambda engine: _evidence(engine, case_id, caller)
    )
    return console.page(
        request,
        "case",
        status=status_of(type(error)) if error else 200,
        case=case,
        pairs=pairs,
        subject_pairs=sorted({(pair.pair.subject_a, pair.pair.subject_b) for pair in pairs}),
        verdicts=list(Verdict),
        done=done,
        seen=seen or {},
        said=console.said(request, error) if error else None,
        written=written or {},
        # Sent twice, a form is one verdict.
        key=secrets.token_urlsafe(24),
        longest_note=MAX_NOTE,
        longest_name=MAX_NAME,
    )


def _evidence(engine: Engine, case_id: int, caller: Caller) -> tuple[Case, list[Pair]]:
    case = shown(queue(engine).case(case_id), caller)
    settled = {(one.subject_a, one.subject_b): one.verdict for one in case.settled}
    pairs = [
        Pair(
            pair,
            None if pair.score is None else engine.calibration.fmr_at(pair.score),
            settled.get((pair.subject_a, pair.subject_b)),
        )
        for pair in case.pairs
    ]
    return case, pairs


def _verdict(fields: dict[str, str]) -> Verdict:
    try:
        return Verdict(fields.get("verdict", ""))
    except ValueError:
        raise InvalidParameter("verdict: choose one") from None


def _subjects(fields: dict[str, str]) -> tuple[str, str] | None:
    """Two subjects, which no subject id can hold a slash of; all pairs without them."""
    a, _, b = fields.get("subjects", "").partition("/")
    return (a, b) if a and b else None


def _number(fields: dict[str, str], name: str) -> int:
    try:
        return int(fields.get(name, ""))
    except ValueError:
        raise InvalidParameter(f"{name}: a number") from None
