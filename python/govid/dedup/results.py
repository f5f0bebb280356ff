"""What is answered of dedup jobs, without what works on them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid.results import Score
from govid.types import Seconds


class DedupJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job, how far it is, and what its threshold means."""

    job_id: int
    kind: Annotated[Literal["full", "incremental"], Meta(description="All against all, or new against all")]
    state: Literal["running", "cancelled", "done"]
    model_id: str
    calibration_id: str
    threshold: Annotated[float, Meta(description="Least score of a candidate pair")]
    fmr: Annotated[float, Meta(description="False match rate at the threshold")]
    supported: Annotated[
        bool,
        Meta(description="False: the calibration knows no rate as low as wanted, and `fmr` is its lowest"),
    ]
    comparisons: Annotated[int, Meta(description="Pairs of references when the job was planned")]
    expected_false_pairs: Annotated[float, Meta(description="fmr x comparisons: pairs of strangers")]
    expected_false_pairs_upper: Annotated[float, Meta(description="With the 95 % upper bound of the rate")]
    blocks: int
    blocks_done: int
    compared: int
    pairs: Annotated[int, Meta(description="Pairs of references above the threshold")]
    pairs_not_kept: Annotated[
        int, Meta(description="More of them in blocks with too many; those with the highest scores are kept")
    ]
    pairs_within_subjects: Annotated[int, Meta(description="Above the threshold, and no duplicates")]
    left_out_references: Annotated[int, Meta(description="New references that another model made")]
    cases: int
    created_at: Seconds
    ended_at: Seconds | None
    eta_seconds: Annotated[float | None, Meta(description="At the speed since the job was resumed last")]


class DedupJobs(msgspec.Struct, frozen=True, kw_only=True):
    """Some jobs, the newest first."""

    jobs: tuple[DedupJob, ...]
    next_before: Annotated[
        int | None, Meta(description="Pass as `before` for the next page; null at the end")
    ]


class DedupPair(msgspec.Struct, frozen=True, kw_only=True):
    """A found pair whose subjects are still enrolled. ``case_id`` is null for one that needed no new case."""

    subject_a: str
    subject_b: str
    reference_a: int
    reference_b: int
    score: Score
    case_id: int | None
