"""What the API says beside the pipeline's own results: the server writes it, ``govid.client`` reads it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from govid.policy import UseCase


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An error as RFC 9457 problem+json."""

    type: str
    title: str
    status: int
    slug: str
    request_id: str
    detail: str = ""
    remedy: str = ""
    reason: Annotated[
        str, Meta(description="Only of a refused photo: FACE_NOT_DETECTED, MULTIPLE_FACES ...")
    ] = ""
    photo: Annotated[
        Literal["", "reference", "probe"],
        Meta(description="Only of a photo that `POST /v1/compare` refused: which of the two"),
    ] = ""
    job_id: Annotated[int | None, Meta(description="Only of `job-running`: the job that runs")] = None


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """Each dependency by name: `ok`, or what is wrong."""

    status: str
    checks: dict[str, str]
    reasons: Annotated[
        dict[str, str], Meta(description="For each that is not ok: what that means, what to do")
    ] = msgspec.field(default_factory=dict)


class ModelInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A model in use, and what its licence says."""

    model_id: str
    kind: str
    digest: Annotated[str, Meta(description="SHA-256 of the file")]
    licence: str
    licence_note: str
    homepage: str
    dimension: int


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """The models in use and the calibration of the embedder."""

    models: tuple[ModelInfo, ...]
    template_model_id: Annotated[
        str, Meta(description="What new templates carry: the embedders, how they are used, in what precision")
    ]
    template_precision: Annotated[
        str, Meta(description="What their embedders multiply in; for `auto`, what it is on this server")
    ]
    template_dimension: int
    calibration_id: str
    calibration_lowest_fmr: float


class UseCaseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A use case, and what this installation makes of it."""

    policy: Annotated[str, Meta(description="As replies, audit and receipts name it")]
    use_case: UseCase
    model_id: Annotated[
        str | None, Meta(description="Of the templates it compares; null: not available here")
    ]
    threshold: Annotated[
        float | None,
        Meta(description="Least score of a MATCH against one reference; more references raise it"),
    ]
    available: bool
    largest_gallery: Annotated[
        int | None,
        Meta(
            description="Most references among which a search can end in MATCH, by the calibration: among "
            "more, a person looks at each candidate; null: not available here"
        ),
    ] = None
    reason: Annotated[str, Meta(description="Why it is not available")] = ""


class CheckpointList(msgspec.Struct, frozen=True, kw_only=True):
    """Signed checkpoints (JWS), oldest first."""

    checkpoints: tuple[str, ...]
    next_after: Annotated[
        int | None, Meta(description="Ask with `after` for those behind these; null: there are none yet")
    ] = None


class Jwks(msgspec.Struct, frozen=True, kw_only=True):
    """JWK set (RFC 7517) of the keys that sign receipts and checkpoints.

    A retired key has ``exp``, seconds since the epoch: what it signs later does not count.
    """

    keys: list[dict[str, str | int]]
