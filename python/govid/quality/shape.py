"""landmarks -> how large the head is, and whether eyes and mouth are open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from govid.quality.scale import measure, sigmoid
from govid.types import Face, QualityMeasure

Dense = NDArray[np.float32]

EYE_CORNERS = [36, 39, 42, 45]
CHIN = 8
# Upper and lower points that face each other: lids of the right eye, of the left eye, inner lips.
RIGHT_LIDS = ([37, 38], [41, 40])
LEFT_LIDS = ([43, 44], [47, 46])
INNER_LIPS = ([61, 62, 63], [67, 66, 65])
# A profile has no distance of the eyes: its yaw is taken as this at most, where the distance counts fourfold.
_MAX_YAW = 75.0


def inter_eye_distance(face: Face, yaw: float) -> QualityMeasure:
    """InterEyeDistance; raw in pixels of the picture, as if the head were not turned.

    Source: OFIQ measures/src/InterEyeDistance.cpp (distance / cos(yaw); sigmoid at 70, width 20).
    """
    turn = math.radians(min(abs(yaw), _MAX_YAW)) if math.isfinite(yaw) else 0.0
    pixels = face.inter_eye_distance / math.cos(turn)
    return measure("InterEyeDistance", pixels, 100 * sigmoid(pixels, 70, 20))


def head_size(dense: Dense, picture_height: int) -> QualityMeasure:
    """HeadSize; raw is the distance from the eyes to the chin over the height of the picture.

    Source: OFIQ measures/src/HeadSize.cpp: best at 0.45 (a passport photo), less for smaller and larger.
    A good selfie or a cut-out face is often outside that range, so low values are no defect for matching.
    """
    ratio = _face_length(dense) / picture_height
    return measure("HeadSize", ratio, 200 * (1 - sigmoid(abs(ratio - 0.45), 0, 0.05)))


def eyes_open(dense: Dense) -> QualityMeasure:
    """EyesOpen; raw is the opening of the less open eye over the distance from the eyes to the chin.

    Source: OFIQ measures/src/EyesOpen.cpp (sigmoid at 0.02, width 0.01). OFIQ has 98 landmarks with three
    pairs on each lid, these 68 have two, so the raw figure can be a little lower than OFIQ's.
    """
    opening = min(_opening(dense, RIGHT_LIDS), _opening(dense, LEFT_LIDS)) / _face_length(dense)
    return measure("EyesOpen", opening, 100 * sigmoid(opening, 0.02, 0.01))


def mouth_closed(dense: Dense) -> QualityMeasure:
    """MouthClosed; raw is the opening of the inner lips over the distance from the eyes to the chin.

    Source: OFIQ measures/src/MouthClosed.cpp (falling sigmoid at 0.2, width 0.06: closed is 97).
    """
    opening = _opening(dense, INNER_LIPS) / _face_length(dense)
    return measure("MouthClosed", opening, 100 * (1 - sigmoid(opening, 0.2, 0.06)))


def single_face_present(face: Face, others: Sequence[Face]) -> QualityMeasure:
    """SingleFacePresent; raw is the side of the largest other face over the side of this one, at most 1.

    Source: OFIQ measures/src/SingleFacePresent.cpp, 100 (1 - sqrt(ratio of the areas)).
    """
    largest = max((other.size for other in others), default=0.0)
    ratio = min(largest / face.size, 1.0) if face.size > 0 else math.nan
    return measure("SingleFacePresent", ratio, 100 * (1 - ratio))


def _face_length(dense: Dense) -> float:
    """From the middle of the eyes to the chin in pixels: the metric T of the standard. Never zero."""
    corners = dense[EYE_CORNERS].tolist()
    middle = [sum(axis) / len(corners) for axis in zip(*corners, strict=True)]
    return max(math.dist(dense[CHIN].tolist(), middle), 1e-6)


def _opening(dense: Dense, pairs: tuple[list[int], list[int]]) -> float:
    """The greatest distance within the pairs, in pixels."""
    upper, lower = (dense[points].tolist() for points in pairs)
    return max(map(math.dist, upper, lower))
