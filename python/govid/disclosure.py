"""What of a result a caller is shown. The audit record has all of it.

Whoever is shown a score can change a photo step by step towards somebody else's face. Whoever is shown a
count or a time can tell who is enrolled, unless that is theirs to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from msgspec.structs import replace

from govid.adjudication import Case, CasePage, CaseSummary
from govid.callers import Caller, Sight
from govid.dedup.results import DedupPair
from govid.ledger.ledger import AuditPage
from govid.results import Candidate, EmbeddedTemplate, Enrolment, Identification, Verification
from govid.store.audit import AuditRow
from govid.types import Decision

Timed: TypeAlias = Verification | Identification | Enrolment | EmbeddedTemplate
R = TypeVar(
    "R", Verification, Identification, Enrolment, EmbeddedTemplate, AuditPage, Case, CasePage, DedupPair
)

STEP = 0.05
"""Coarse scores are rounded down to a multiple of it; two photos of one person differ by more."""


@dataclass(frozen=True, slots=True)
class _View:
    """How much of a result is shown: the least of what the caller and the use case allow."""

    sight: Sight
    knows_subjects: bool


def shown(result: R, caller: Caller) -> R:
    """The result as this caller may see it."""
    sight = caller.sees
    if isinstance(result, Verification | Identification) and result.shows == "decision":
        sight = Sight.DECISION
    if sight is Sight.EXACT and not isinstance(result, AuditPage):
        return result
    if isinstance(result, Timed):
        # The timeline is free of the noise of a network: it would tell apart what must look alike.
        result = replace(result, stages={}, milliseconds=None)
    seen: R = _RULES[type(result)](result, _View(sight, caller.knows_subjects))
    return seen


def _verification(result: Verification, view: _View) -> Verification:
    if view.sight is Sight.COARSE and result.decision is not Decision.NON_MATCH:
        return replace(
            result,
            score=_coarse(result.score),
            # A rate is as fine a scale as the score it belongs to.
            fmr_at_score=_decade(result.fmr_at_score),
            fmr_at_score_upper=_decade(result.fmr_at_score_upper),
        )
    return replace(
        result,
        score=None,
        threshold=None,
        fmr_at_score=None,
        fmr_at_score_upper=None,
        fmr_is_upper_bound=None,
        comparisons=result.comparisons if view.knows_subjects else None,
    )


def _identification(result: Identification, view: _View) -> Identification:
    knows = view.knows_subjects
    return replace(
        result,
        candidates=tuple(_candidate(one, view) for one in result.candidates),
        # Both tell how many of the subjects that were named are enrolled.
        threshold=result.threshold if knows and view.sight is Sight.COARSE else None,
        gallery_size=result.gallery_size if knows else None,
    )


def _enrolment(result: Enrolment, view: _View) -> Enrolment:
    found = tuple(_candidate(one, view) for one in result.possible_duplicates)
    return replace(result, possible_duplicates=found)


def _candidate(candidate: Candidate, view: _View) -> Candidate:
    if view.sight is Sight.COARSE:
        seen = replace(candidate, score=_coarse(candidate.score))
        if view.knows_subjects:
            return replace(seen, fpir_at_score=_decade(candidate.fpir_at_score))
        return replace(seen, fpir_at_score=None, fpir_is_upper_bound=None)
    return replace(candidate, score=None, fpir_at_score=None, fpir_is_upper_bound=None)


# The same scores once more, in what adjudicators and auditors read: one caller may be both them and a prober.


def _audit_page(page: AuditPage, view: _View) -> AuditPage:
    return replace(page, rows=tuple(_audit_row(row, view) for row in page.rows))


def _audit_row(row: AuditRow, view: _View) -> AuditRow:
    record = row.record
    if view.sight is Sight.EXACT and record.shows != "decision":
        return row
    # Without the salt the digest tells nothing of what is left out.
    record = replace(record, salt="")
    if record.shows == "decision":
        return replace(row, record=replace(record, score=None, threshold=None))
    near = record.outcome in {Decision.MATCH, Decision.INCONCLUSIVE}
    return replace(row, record=replace(record, score=_seen(record.score, view) if near else None))


def _case_page(page: CasePage, view: _View) -> CasePage:
    return replace(page, cases=tuple(_summary(case, view) for case in page.cases))


def _summary(case: CaseSummary, view: _View) -> CaseSummary:
    return replace(case, highest_score=_seen(case.highest_score, view))


def _case(case: Case, view: _View) -> Case:
    pairs = tuple(replace(pair, score=_seen(pair.score, view)) for pair in case.pairs)
    return replace(case, highest_score=_seen(case.highest_score, view), pairs=pairs)


def _dedup_pair(pair: DedupPair, view: _View) -> DedupPair:
    return replace(pair, score=_seen(pair.score, view))


def _seen(score: float | None, view: _View) -> float | None:
    return _coarse(score) if view.sight is Sight.COARSE else None


def _coarse(score: float | None) -> float | None:
    return None if score is None else round(math.floor(score / STEP) * STEP, 2)


def _decade(rate: float | None) -> float | None:
    """The next power of ten above."""
    return None if rate is None or rate <= 0 else min(1.0, 10.0 ** math.ceil(math.log10(rate)))


_RULES: Mapping[type, Callable[[Any, _View], Any]] = {
    Verification: _verification,
    Identification: _identification,
    Enrolment: _enrolment,
    EmbeddedTemplate: lambda result, _: result,
    AuditPage: _audit_page,
    Case: _case,
    CasePage: _case_page,
    DedupPair: _dedup_pair,
}
