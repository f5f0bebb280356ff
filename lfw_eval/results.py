"""What an evaluation found, with everything needed to doubt it. Shares and rates are fractions."""

from __future__ import annotations

import msgspec


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


class ErrorRate(msgspec.Struct, frozen=True, kw_only=True):
    """FNMR at the lowest threshold that keeps the FMR."""

    fmr_target: float
    fmr: float
    fnmr: Estimate
    threshold: float
    supported: bool
    """False where fewer than three non-mated comparisons may pass: then it is hardly more than chance."""


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """The DET curve, from the loosest threshold to the strictest, thinned for drawing."""

    fmr: tuple[float, ...]
    fnmr: tuple[float, ...]


class Histogram(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of comparison scores in bins of equal width from ``start``."""

    start: float
    width: float
    mated: tuple[int, ...]
    non_mated: tuple[int, ...]


class Error(msgspec.Struct, frozen=True, kw_only=True):
    """One wrong decision, by the threshold of its fold. Photos are named relative to the data set."""

    kind: str
    first: str
    second: str
    score: float
    threshold: float


class Discard(msgspec.Struct, frozen=True, kw_only=True):
    """FNMR after the mated comparisons with the lowest quality were left out (error versus discard).

    ``helps`` is True where it ends below nearly all (97.5 %) random choices of the same size.
    """

    measure: str
    threshold: float
    discarded: tuple[float, ...]
    fnmr: tuple[float, ...]
    random_low: tuple[float, ...]
    random_high: tuple[float, ...]
    helps: bool


class ScoreChange(msgspec.Struct, frozen=True, kw_only=True):
    """What another precision or runtime does to the score of a pair, over all pairs with two templates."""

    mean: float
    deviation: float
    largest: float
    """The greatest absolute change."""


class PairList(msgspec.Struct, frozen=True, kw_only=True):
    """The protocol of LFW: a list of pairs in folds."""

    accuracy: Estimate
    accuracy_standard_error: float | None
    """Over the folds, as LFW's tables state it; None for a list of one fold."""
    accuracy_by_fold: tuple[float, ...]
    accuracy_difference: Estimate | None
    """To the first of the compared pipelines, over the same resampled people."""
    score_change: ScoreChange | None = None
    """To the first of the compared pipelines, where it differs in precision or runtime alone."""
    equal_error_rate: Estimate
    error_rates: tuple[ErrorRate, ...]
    pairs_with_a_failure: int
    det: Curve
    histogram: Histogram
    errors: tuple[Error, ...]
    """The worst of each kind, worst first."""
    errors_in_all: int
    discard: tuple[Discard, ...]


class GroupRate(msgspec.Struct, frozen=True, kw_only=True):
    """FNMR (mated) or FMR (non-mated) of a group, or FMR between two groups."""

    attribute: str
    group: str
    other: str
    """The second group of comparisons across; else the same as ``group``."""
    people: int
    photos: int
    comparisons: int
    events: int
    rate: Estimate
    enough: bool
    """False: too few people or comparisons to say anything."""


class GroupTable(msgspec.Struct, frozen=True, kw_only=True):
    """Error rates by group at one threshold. The first row of each is everybody."""

    basis: str
    threshold: float
    fnmr: tuple[GroupRate, ...]
    fmr: tuple[GroupRate, ...]
    fmr_across: tuple[GroupRate, ...]


class AllPairs(msgspec.Struct, frozen=True, kw_only=True):
    """Every photo of a data set against every other one."""

    people: int
    photos: int
    mated_comparisons: int
    non_mated_comparisons: int
    mated_with_a_failure: int
    det: Curve
    histogram: Histogram
    tables: tuple[GroupTable, ...]
    notes: tuple[str, ...]


class PipelineResult(msgspec.Struct, frozen=True, kw_only=True):
    """One profile or model on one data set."""

    label: str
    model_id: str
    pipeline: str
    models: dict[str, str]
    """SHA-256 of each model file by model id."""
    failures_to_acquire: dict[str, str]
    milliseconds_by_stage: dict[str, float]
    photos_timed: int
    pair_list: PairList | None
    all_pairs: AllPairs | None


class Evaluation(msgspec.Struct, frozen=True, kw_only=True):
    """One run of ``python -m lfw_eval``."""

    command: str
    created: str
    version: str
    machine: str
    data_set: str
    data_set_digest: str
    pair_list: str
    """File name of the list; empty where all photos were compared with each other only."""
    pairs: int
    photos: int
    malformed: tuple[str, ...]
    pipelines: tuple[PipelineResult, ...]
