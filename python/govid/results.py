"""What the pipeline answers. The command line and the server show these as they are."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid.types import EPOCH, Decision, QualityMeasure, Seconds

HIDDEN = "null: not shown to this caller"
Stages = Annotated[
    dict[str, float],
    Meta(description="Milliseconds by stage, in the order run; empty: not shown to this caller, or kept"),
]
Milliseconds = Annotated[
    float | None,
    Meta(
        description=f"Of the whole call: the stages and what lies between them; 0: of a kept reply; {HIDDEN}"
    ),
]
SignedReceipt = Annotated[
    str,
    Meta(
        description="JWS (EdDSA) of who asked what of whom and what was decided; keys at /v1/receipts/keys. "
        "Give it to the person: it rates the decision, and reads the answer to a complaint"
    ),
]
Shows = Annotated[
    Literal["decision", "score"],
    Meta(
        description="The most that the use case shows anybody. `decision`: scores are null for every caller; "
        "`score`: they are shown to callers who may see scores"
    ),
]
Score = Annotated[
    float | None,
    Meta(description=f"Cosine, -1 to 1, higher is more alike; {HIDDEN}"),
]
Threshold = Annotated[
    float | None,
    Meta(
        description="Least score of a MATCH; null: not shown to this caller, or, where scores are shown, "
        "the calibration supports no rate so low, and there is no MATCH"
    ),
]
PhotoKeptUntil = Annotated[
    Seconds | None,
    Meta(description=f"{EPOCH}; null: the photo is not kept"),
]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """Is the probe the person of the reference?"""

    request_id: str
    receipt: SignedReceipt
    decision: Decision
    score: Score
    threshold: Threshold
    fmr_target: Annotated[float, Meta(description="False match rate the use case allows")]
    fmr_at_score: Annotated[
        float | None,
        Meta(description=f"False match rate if the threshold were at this score; {HIDDEN}"),
    ]
    fmr_at_score_upper: Annotated[
        float | None,
        Meta(
            description="95 % upper bound of that rate for other people photographed like the data set; "
            f"{HIDDEN}"
        ),
    ]
    fmr_is_upper_bound: Annotated[
        bool | None,
        Meta(
            description="The true rate is lower than the data can show: fmr_at_score is the lowest it knows; "
            f"{HIDDEN}"
        ),
    ]
    use_case: str
    policy: Annotated[str, Meta(description="The use case with its version and a digest of its figures")]
    shows: Shows
    profile: str
    model_id: str
    calibration_id: str
    comparisons: Annotated[
        int | None,
        Meta(description=f"References the probe was compared with; the score is the highest; {HIDDEN}"),
    ]
    subject_id: str | None
    quality: Annotated[tuple[QualityMeasure, ...], Meta(description="Of the probe; empty for a template")]
    stages: Stages
    milliseconds: Milliseconds = 0.0


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A subject a search found."""

    subject_id: str
    score: Score
    decision: Decision
    fpir_at_score: Annotated[
        float | None,
        Meta(
            description="Chance that such a search for a stranger names anyone with so high a score; "
            f"{HIDDEN}"
        ),
    ]
    fpir_is_upper_bound: Annotated[
        bool | None,
        Meta(
            description="The true chance is lower than the data can show: fpir_at_score is the lowest it "
            f"knows; {HIDDEN}"
        ),
    ] = None


class Identification(msgspec.Struct, frozen=True, kw_only=True):
    """Who in the gallery is the probe? NON_MATCH says: nobody known."""

    request_id: str
    receipt: SignedReceipt
    decision: Decision
    candidates: Annotated[tuple[Candidate, ...], Meta(description="MATCH and INCONCLUSIVE only, best first")]
    threshold: Threshold
    fpir_target: float
    gallery_size: Annotated[
        int | None,
        Meta(description=f"References the probe was compared with; {HIDDEN}"),
    ]
    use_case: str
    policy: Annotated[str, Meta(description="The use case with its version and a digest of its figures")]
    shows: Shows
    profile: str
    model_id: str
    calibration_id: str
    quality: tuple[QualityMeasure, ...]
    stages: Stages
    milliseconds: Milliseconds = 0.0


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A reference that is stored, and searchable unless its subject is held."""

    request_id: str
    subject_id: str
    held: Annotated[
        bool, Meta(description="Not active before a person has decided the case: it may be a duplicate")
    ] = False
    case_id: Annotated[int | None, Meta(description="The case that holds the subject")] = None
    reference_id: int
    model_id: str
    created_at: Seconds
    quality: tuple[QualityMeasure, ...]
    photo_kept_until: PhotoKeptUntil = None
    possible_duplicates: Annotated[
        tuple[Candidate, ...], Meta(description="Other subjects who look like the same person")
    ]
    stages: Stages
    milliseconds: Milliseconds = 0.0


class Deletion(msgspec.Struct, frozen=True, kw_only=True):
    """A subject that is gone."""

    request_id: str
    subject_id: str
    receipt: Annotated[
        str,
        Meta(description="JWS (EdDSA) of what was erased, when, and of the key that went with a subject"),
    ] = ""


class ReferenceDeletion(Deletion, frozen=True, kw_only=True):
    """A reference that is gone; its subject has others."""

    reference_id: int


class SubjectGroups(msgspec.Struct, frozen=True, kw_only=True):
    """The groups that a subject is in now."""

    request_id: str
    subject_id: str
    groups: tuple[str, ...]


class EmbeddedTemplate(msgspec.Struct, frozen=True, kw_only=True):
    """The template of one photo."""

    request_id: str
    model_id: str
    dimension: int
    embedding: Annotated[bytes, Meta(description="Little-endian float32 of unit norm")]
    box: Annotated[tuple[float, float, float, float], Meta(description="x, y, width, height in pixels")]
    landmarks: Annotated[
        tuple[tuple[float, float], ...],
        Meta(description="Right eye, left eye, nose, right and left mouth corner; x, y in pixels"),
    ]
    turned: Annotated[
        int,
        Meta(description="Degrees counter-clockwise the photo was turned; places are in the turned photo"),
    ]
    detection_score: float
    quality: tuple[QualityMeasure, ...]
    stages: Stages
    milliseconds: Milliseconds = 0.0

    def __repr__(self) -> str:
        # Without the embedding: results end up in logs.
        return f"EmbeddedTemplate(request_id={self.request_id!r}, model_id={self.model_id!r})"


class ReferenceSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A kept reference without its template."""

    reference_id: int
    model_id: str
    created_at: Seconds
    quality: tuple[QualityMeasure, ...]
    photo_kept_until: PhotoKeptUntil = None


class Subject(msgspec.Struct, frozen=True, kw_only=True):
    """An enrolled person."""

    subject_id: str
    created_at: Seconds
    held: bool
    groups: tuple[str, ...]
    references: tuple[ReferenceSummary, ...]


class SubjectPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some subjects in order of their ids."""

    subjects: tuple[str, ...]
    next_after: Annotated[str | None, Meta(description="Pass as `after` for the next page; null at the end")]
