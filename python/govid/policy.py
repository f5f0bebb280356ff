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
    strangers_shown: Annotated[
        float, Meta(gt=0, description="Strangers a search shows as INCONCLUSIVE, at most and on average")
    ] = 1.0
    profile: Annotated[str | None, Meta(description="Profile of its comparisons; None: the settings'")] = None


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """A decision with everything needed to explain it."""

    decision: Decision
    score: float
    threshold: float | None
    """Least score of a MATCH; None where the calibration supports no rate so low: then there is no MATCH."""
    fmr_target: float
    fmr_at_score: float
    fmr_at_score_upper: float
    """95 % upper bound of the true rate."""
    fmr_is_upper_bound: bool


# FMR 1e-4 is the order in which border control and banks ask; the band down to 1e-3 goes to a person.
GENERAL = UseCase(name="general", fmr=1e-4, inconclusive_fmr=1e-3, fpir=1e-2)
# A guest stands before the desk, and the clerk sees both faces: quick, and the same rates.
HOTEL_CHECKIN = UseCase(name="hotel_checkin", fmr=1e-4, inconclusive_fmr=1e-3, fpir=1e-2, profile="fast")
# Nobody looks on, and money follows: a tenth of the rate, by two embedders.
REMOTE_CERTIFICATION = UseCase(
    name="remote_certification", fmr=1e-5, inconclusive_fmr=1e-4, fpir=1e-3, profile="high_assurance"
)
# Asked once per enrolment, so that its errors add up over a whole registry: one stranger in a hundred
# enrolments is held for a person to look at, one in a thousand is named a duplicate outright.
ENROLMENT = UseCase(name="enrolment", fmr=1e-4, inconclusive_fmr=1e-3, fpir=1e-3, strangers_shown=1e-2)
USE_CASES = {use_case.name: use_case for use_case in (GENERAL, HOTEL_CHECKIN, REMOTE_CERTIFICATION)}


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
    N-th of it. Where the calibration cannot support so low a rate there is no MATCH: a person looks at
    what is INCONCLUSIVE, which on average shows them no more strangers than the use case allows.
    """
    size = max(1, gallery_size)
    strict = min(purpose.fpir, purpose.fmr * size)
    loose = min(purpose.strangers_shown, purpose.inconclusive_fmr * size)
    return _judge(score, size, strict, max(strict, loose), calibration)


def supported(purpose: UseCase, comparisons: int, calibration: Calibration) -> bool:
    """Whether a MATCH is possible in verification against that many references."""
    return calibration.threshold(purpose.fmr / comparisons) is not None


def largest_gallery(purpose: UseCase, calibration: Calibration) -> int:
    """The most references among which a search can still give a MATCH."""
    return int(purpose.fpir / calibration.lowest_fmr)


def _judge(
    score: float, comparisons: int, target: float, loose: float, calibration: Calibration
) -> Judgement:
    threshold = calibration.threshold(target / comparisons)
    band = calibration.threshold(loose / comparisons)
    # Where the band is not supported either, it begins at the strictest score the data knows.
    band = calibration.score[-1] if band is None else band
    if threshold is not None and score >= threshold:
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
        fmr_target=target,
        fmr_at_score=min(1.0, at_score.fmr * comparisons),
        fmr_at_score_upper=min(1.0, at_score.upper * comparisons),
        fmr_is_upper_bound=at_score.is_upper_bound,
    )
