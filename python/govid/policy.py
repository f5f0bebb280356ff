"""comparison score -> decision, by a use case. The caller names the use case and never sends a threshold."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from govid.calibration import Calibration, FmrAtScore
from govid.errors import UnknownUseCase
from govid.types import Decision

Rate = Annotated[float, Meta(gt=0, lt=1)]


class UseCase(msgspec.Struct, frozen=True, kw_only=True):
    """Error rates one purpose may have."""

    name: str
    fmr: Annotated[Rate, Meta(description="False match rate of a MATCH in verification")]
    inconclusive_fmr: Annotated[Rate, Meta(description="Between this rate and fmr a person has to look")]
    fpir: Annotated[Rate, Meta(description="Chance that a search for a stranger names anyone as MATCH")]


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with everything needed to explain it."""

    decision: Decision
    score: float
    threshold: float
    threshold_supported: bool
    fmr_target: float
    fmr_at_score: float
    fmr_is_upper_bound: bool


# FMR 1e-4 is the order in which border control and banks ask; the band down to 1e-3 goes to a person.
GENERAL = UseCase(name="general", fmr=1e-4, inconclusive_fmr=1e-3, fpir=1e-2)
USE_CASES = {use_case.name: use_case for use_case in (GENERAL,)}


def use_case(name: str) -> UseCase:
    """The use case of that name.

    Raises:
        UnknownUseCase: there is none.
    """
    try:
        return USE_CASES[name]
    except KeyError:
        raise UnknownUseCase(f"known use cases: {', '.join(sorted(USE_CASES))}") from None


def decide(score: float, comparisons: int, purpose: UseCase, calibration: Calibration) -> Judgement:
    """Judge the highest of the scores against one subject's references (verification, 1:1).

    With k references a stranger has k chances, so each comparison gets a k-th of the allowed rate (the
    union bound): more references never loosen the false match rate.
    """
    return _judge(score, comparisons, purpose.fmr, purpose.inconclusive_fmr, calibration)


def decide_search(score: float, gallery_size: int, purpose: UseCase, calibration: Calibration) -> Judgement:
    """Judge a candidate of a search through ``gallery_size`` references (identification, 1:N).

    The false positive identification rate of the whole search is bounded, so each comparison gets an
    N-th of it. Where the calibration cannot support so low a rate there is no MATCH: a candidate above
    the strictest supported threshold is INCONCLUSIVE and a person looks.
    """
    size = max(1, gallery_size)
    target = min(purpose.fpir, purpose.fmr * size)
    return _judge(score, size, target, max(target, purpose.inconclusive_fmr), calibration)


def _judge(
    score: float, comparisons: int, target: float, loose: float, calibration: Calibration
) -> Judgement:
    strict = calibration.threshold(target / comparisons)
    # Where the band is not supported either, it begins at the strictest score the data knows.
    lower = calibration.threshold(loose / comparisons)
    threshold = calibration.score[-1] if strict is None else strict
    band = calibration.score[-1] if lower is None else lower
    if strict is not None and score >= strict:
        decision = Decision.MATCH
    elif score >= band:
        decision = Decision.INCONCLUSIVE
    else:
        decision = Decision.NON_MATCH
    at_score: FmrAtScore = calibration.fmr_at(score)
    return Judgement(
        decision=decision,
        score=score,
        threshold=threshold,
        threshold_supported=strict is not None,
        fmr_target=target,
        fmr_at_score=min(1.0, at_score.fmr * comparisons),
        fmr_is_upper_bound=at_score.is_upper_bound,
    )
