"""The words every stage shares (ISO/IEC 2382-37), and nothing else."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Protocol, TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.uint8]
"""A picture: (height, width, 3) uint8 RGB, C-contiguous."""

EPOCH = "Seconds since 1970-01-01 00:00 UTC (the epoch)"
Seconds = Annotated[float, msgspec.Meta(description=EPOCH)]
"""When something was or will be."""

Embedding: TypeAlias = NDArray[np.float32]
"""A face in memory: (dimension,) float32 of unit L2 norm."""


CROP_SIDE = 112
"""Side in pixels of an aligned crop, and of the input of every embedder."""


class Decision(StrEnum):
    """The answer to a comparison. A refusal is never a decision."""

    MATCH = "MATCH"
    NON_MATCH = "NON_MATCH"
    INCONCLUSIVE = "INCONCLUSIVE"


Tensor: TypeAlias = NDArray[np.float32] | NDArray[np.uint8]
"""What goes into a network; uint8 is made float32 where it is computed with."""


class InferenceSession(Protocol):
    """One loaded model, as the stages see it. Safe to call from several threads."""

    @property
    def input_shape(self) -> tuple[int | str | None, ...]:
        """Dimensions of the only input; a free one is a name."""

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs in the model's order."""

    def run(self, tensor: Tensor) -> list[NDArray[np.float32]]:
        """All outputs for one input tensor."""


@dataclass(frozen=True, slots=True)
class Face:
    """A detected face.

    box: (4,) float32 x, y, width, height in pixels of the decoded photo.
    landmarks: (5, 2) float32 x, y in pixels: the subject's right eye, left eye, nose tip, right and
        left mouth corner (that is, from left to right as the picture is seen).
    score: detection confidence in [0, 1].
    dense: (68, 2) float32 x, y in pixels, in the order of iBUG 300-W (0-16 jaw, 17-26 brows, 27-35 nose,
        36-47 eyes, 48-67 mouth); None before they are found.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    score: float
    dense: NDArray[np.float32] | None = None

    @property
    def inter_eye_distance(self) -> float:
        """Distance of the eye centres in pixels."""
        return math.dist(self.landmarks[1].tolist(), self.landmarks[0].tolist())

    @property
    def size(self) -> float:
        """Side in pixels of the square with the area of the box."""
        return math.sqrt(max(float(self.box[2]) * float(self.box[3]), 0.0))


class QualityMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """One measure under its ISO/IEC 29794-5 name."""

    name: str
    raw: float
    value: Annotated[int, msgspec.Meta(ge=0, le=100, description="0 to 100, higher is better")]
    threshold: Annotated[
        int | None, msgspec.Meta(description="Least value this profile accepts; null: informative only")
    ] = None


@dataclass(frozen=True, slots=True)
class Template:
    """The stored form of a face: an embedding that never travels without its model."""

    model_id: str
    # Never in a log: a template is as good as a face to whoever has a search.
    embedding: Embedding = field(repr=False)


@dataclass(frozen=True, slots=True)
class PackedTemplate:
    """A template as a caller sends it: not yet checked. ``data`` is little-endian float32."""

    model_id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """What one photo gave: its template, the face it came from and that face's quality."""

    template: Template
    face: Face
    quality: tuple[QualityMeasure, ...]
    turned: int = 0
    """Degrees counter-clockwise the photo was turned to stand upright: 0, 90, 180 or 270."""
    region: bytes | None = None
    """A JPEG of the face with a margin, if it was asked for."""
    crop: Image | None = None
    """What was embedded: another model may embed it, too."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A template kept for a subject. ``created_at`` is seconds since the epoch (UTC)."""

    reference_id: int
    subject_id: str
    template: Template
    quality: tuple[QualityMeasure, ...]
    created_at: float
