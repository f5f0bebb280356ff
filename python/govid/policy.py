"""comparison score -> decision, by a use case. The caller names the use case and never sends a threshold."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid.calibration import Calibration, FmrAtScore
from govid.errors import InvalidParameter, LowQuality, NotCalibrated
from govid.types import Decision, QualityMeasure

Rate = Annotated[float, Meta(gt=0, lt=1)]


class Liveness(StrEnum):
    """What must show that a living person was before the camera (ISO/IEC 30107-1)."""

    NONE = "none"
    PASSIVE = "passive"
    CHALLENGE = "challenge"


class Attempts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How many failed attempts on one subject are borne within a time."""

    limit: Annotated[int, Meta(ge=1, le=1000)]
    window_seconds: Annotated[float, Meta(gt=0, le=30 * 86400)]


class UseCase(msgspec.Struct, frozen=True, kw_only=True):
    """What one purpose allows and asks for. The caller names it, and never sends a threshold."""

    name: str
    version: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,32}$", description="Of the operator's choosing")]
    rationale: Annotated[str, Meta(min_length=1, max_length=2000, description="Why these figures")]
    fmr: Annotated[Rate, Meta(description="False match rate of a MATCH in verification")]
    inconclusive_fmr: Annotated[Rate, Meta(description="Between this rate and fmr a person has to look")]
    fpir: Annotated[Rate, Meta(description="Chance that a search for a stranger names anyone as MATCH")]
    strangers_shown: Annotated[
        float, Meta(gt=0, description="Strangers a search shows as INCONCLUSIVE, at most and on average")
    ] = 1.0
    profile: Annotated[
        Literal["fast", "high_assurance"] | None,
        Meta(description="Profile of its comparisons; null: the settings'"),
    ] = None
    liveness: Annotated[
        Liveness, Meta(description="What govid cannot do yet is refused with 501, and never passes")
    ] = Liveness.NONE
    second_face_ratio: Annotated[
        Annotated[float, Meta(gt=0, le=1)] | None,
        Meta(
            description="A second face of at least this part of the largest one's side is refused; null: the "
            "settings'",
        ),
    ] = None
    accepts_templates: Annotated[
        bool,
        Meta(description="Whether a ready template serves as a probe: nobody knows what it was made from"),
    ] = True
    least_quality: Annotated[
        dict[str, Annotated[int, Meta(ge=0, le=100)]],
        Meta(description="Least value of measures of ISO/IEC 29794-5, beyond what every photo must have"),
    ] = msgspec.field(default_factory=dict)
    max_reference_age_days: Annotated[
        Annotated[float, Meta(gt=0)] | None,
        Meta(description="Older references are left out; null: none is too old"),
    ] = None
    keep_days: Annotated[
        Annotated[float, Meta(ge=1, le=36_525)] | None,
        Meta(
            description="Days the audit keeps what a decision was; afterwards its digest alone. null: no "
            "end. The probe is never kept"
        ),
    ] = None
    attempts: Annotated[Attempts | None, Meta(description="null: the settings'")] = None
    shows: Annotated[
        Literal["decision", "score"],
        Meta(description="What a caller sees who may see scores at all"),
    ] = "score"

    digest: Annotated[str, Meta(description="Of everything above; made when its file is read")] = ""

    @property
    def policy_id(self) -> str:
        """Name, version and digest: what a decision was made by."""
        return f"{self.name}@{self.version}-{self.digest}"


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


# Asked once per enrolment, so that its errors add up over a whole registry: one stranger in a hundred
# enrolments is held for a person to look at, one in a thousand is named a duplicate outright.
ENROLMENT = UseCase(
    name="enrolment",
    version="1",
    rationale="Asked once per enrolment: its errors add up over a whole registry.",
    fmr=1e-4,
    inconclusive_fmr=1e-3,
    fpir=1e-3,
    strangers_shown=1e-2,
)


def photo_kept_until(allowed_days: float, asked_days: float | None, now: float) -> float | None:
    """Until when the photo of an enrolment is kept, in seconds since the epoch; None: it is not kept.

    Args:
        allowed_days: by the settings.
        asked_days: by the caller, for this photo; None: as long as allowed.

    Raises:
        InvalidParameter: the caller asks for more than is allowed.
    """
    days = allowed_days if asked_days is None else asked_days
    # Not one of them would be true of a number that is none.
    if not 0 <= days <= allowed_days:
        raise InvalidParameter(f"keep_photo_days is {days:g}, allowed are 0 to {allowed_days:g}")
    return now + days * 86400 if days else None


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


def check_quality(quality: Sequence[QualityMeasure], purpose: UseCase) -> None:
    """Refuse a photo that is good enough to be compared and not good enough for this purpose.

    Raises:
        LowQuality: a measure lies under the value the use case asks for, or is missing.
    """
    found = {measure.name: measure.value for measure in quality}
    for name, least in purpose.least_quality.items():
        if found.get(name, -1) < least:
            raise LowQuality(
                f"{name} is {found.get(name, 'unknown')} of 100, {purpose.name} asks for {least}"
            )


def oldest_reference(purpose: UseCase | None, now: float) -> float:
    """When a reference must have been enrolled to count, in seconds since the epoch."""
    if purpose is None or purpose.max_reference_age_days is None:
        return 0.0
    return now - purpose.max_reference_age_days * 86400


def supported(purpose: UseCase, comparisons: int, calibration: Calibration) -> bool:
    """Whether a MATCH is possible in verification against that many references."""
    return calibration.threshold(purpose.fmr / comparisons) is not None


def check_supported(purpose: UseCase, comparisons: int, calibration: Calibration) -> None:
    """A table too coarse for a use case would make every answer INCONCLUSIVE: say so at start.

    Raises:
        NotCalibrated.
    """
    if not supported(purpose, comparisons, calibration):
        raise NotCalibrated(
            f"{calibration.calibration_id} supports FMR down to {calibration.lowest_fmr:.1e}; use case "
            f"{purpose.name} with {comparisons} references needs {purpose.fmr / comparisons:.1e}: calibrate "
            "with more people"
        )


def largest_gallery(purpose: UseCase, calibration: Calibration) -> int:
    """The most references among which a search can still give a MATCH; 0: it never can."""
    if calibration.threshold(purpose.fmr) is None:
        return 0
    # Where a whole number comes out, rounding must not take the last reference away.
    return int(purpose.fpir / calibration.lowest_fmr * (1 + 1e-9))


class PairThreshold(msgspec.Struct, frozen=True, kw_only=True):
    """Where a dedup job calls a pair a candidate, and how many strangers that lets through."""

    threshold: float
    fmr: float
    fmr_upper: float
    """95 % upper bound of the true rate."""
    supported: bool
    """False where the calibration knows no rate as low as asked: ``fmr`` is then the lowest it knows."""


def dedup_threshold(comparisons: int, false_pairs: float, calibration: Calibration) -> PairThreshold:
    """Where the comparisons of a job give at most ``false_pairs`` pairs of strangers on average.

    It is never looser than where a person looks in verification. Whatever it is, a pair is a candidate for an
    adjudicator and never a merge: N x N comparisons are more than any calibration has.
    """
    asked = min(false_pairs / max(1, comparisons), ENROLMENT.inconclusive_fmr)
    threshold = calibration.threshold(asked)
    supported = threshold is not None
    threshold = calibration.score[-1] if threshold is None else threshold
    fmr = asked if supported else calibration.lowest_fmr
    upper = calibration.fmr_at(threshold).upper
    return PairThreshold(threshold=threshold, fmr=fmr, fmr_upper=upper, supported=supported)


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
