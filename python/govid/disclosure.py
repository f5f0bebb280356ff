"""What of a result a caller is shown. The audit record has all of it.

Whoever is shown a score can change a photo step by step towards somebody else's face. Whoever is shown a
count or a time can tell who is enrolled, unless that is theirs to know.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from govid.callers import Caller, Sight
from govid.results import Candidate, EmbeddedTemplate, Enrolment, Identification, Verification
from govid.types import Decision

Result = TypeVar("Result", Verification, Identification, Enrolment, EmbeddedTemplate)

STEP = 0.05
"""Coarse scores are rounded down to a multiple of it; two photos of one person differ by more."""


def shown(result: Result, caller: Caller) -> Result:
    """The result as this caller may see it."""
    if caller.sees is Sight.EXACT:
        return result
    # The timeline is free of the noise of a network: it would tell apart what must look alike.
    bare: Result = replace(result, stages={}, milliseconds=0.0)
    seen: Result = _RULES[type(result)](bare, caller)
    return seen


def _verification(result: Verification, caller: Caller) -> Verification:
    if caller.sees is Sight.COARSE and result.decision is not Decision.NON_MATCH:
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
        comparisons=result.comparisons if caller.knows_subjects else None,
    )


def _identification(result: Identification, caller: Caller) -> Identification:
    knows = caller.knows_subjects
    return replace(
        result,
        candidates=tuple(_candidate(one, caller) for one in result.candidates),
        # Both tell how many of the subjects that were named are enrolled.
        threshold=result.threshold if knows and caller.sees is Sight.COARSE else None,
        gallery_size=result.gallery_size if knows else None,
    )


def _enrolment(result: Enrolment, caller: Caller) -> Enrolment:
    found = tuple(_candidate(one, caller) for one in result.possible_duplicates)
    return replace(result, possible_duplicates=found)


def _candidate(candidate: Candidate, caller: Caller) -> Candidate:
    if caller.sees is Sight.COARSE:
        rate = _decade(candidate.fpir_at_score) if caller.knows_subjects else None
        return replace(candidate, score=_coarse(candidate.score), fpir_at_score=rate)
    return replace(candidate, score=None, fpir_at_score=None)


def _coarse(score: float | None) -> float | None:
    return None if score is None else round(math.floor(score / STEP) * STEP, 2)


def _decade(rate: float | None) -> float | None:
    """The next power of ten above."""
    return None if rate is None or rate <= 0 else min(1.0, 10.0 ** math.ceil(math.log10(rate)))


_RULES: Mapping[type, Callable[[Any, Caller], Any]] = {
    Verification: _verification,
    Identification: _identification,
    Enrolment: _enrolment,
    EmbeddedTemplate: lambda result, _: result,
}
