"""landmarks -> where the head points."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.quality.scale import measure
from govid.types import Face, QualityMeasure

# The mean face in millimetres (eye centres 64 apart): x to the left of the subject (right in the
# picture), y down, z away from the camera, from the tip of the nose. Found by factorising the 68
# landmarks of 4,506 LFW photos (nobody of View 2 but for the photos of View 1) into shape and scaled
# orthographic cameras (Tomasi and Kanade 1992), made symmetric. Its zero of pitch is that of the six-point
# face of the OpenCV literature (eyes +-43.3, -32.7, 26; mouth +-28.9, 28.9, 24.1; chin 0, 63.6, 12.5),
# from which it differs by 0.5 degrees. Lids and lips, which move, are left out; with brows and
# jaw the pitch of the same photos spreads over 11 instead of 14 degrees, as noses differ.
LANDMARKS = {
    36: (-44.4, -29.5, 26.5),  # corners of the eyes
    39: (-18.8, -28.9, 23.2),
    42: (18.8, -28.9, 23.2),
    45: (44.4, -29.5, 26.5),
    27: (0.0, -33.9, 14.7),  # bridge and base of the nose
    28: (0.0, -22.7, 10.0),
    29: (0.0, -11.6, 5.0),
    30: (0.0, 0.0, 0.0),
    31: (-15.3, 10.2, 10.1),
    33: (0.0, 14.4, 6.4),
    35: (15.3, 10.2, 10.1),
    48: (-29.2, 35.3, 20.3),  # corners of the mouth
    54: (29.2, 35.3, 20.3),
    17: (-58.9, -40.5, 31.1),  # ends of the brows
    21: (-11.2, -47.2, 16.3),
    22: (11.2, -47.2, 16.3),
    26: (58.9, -40.5, 31.1),
    0: (-73.2, -23.6, 51.6),  # ends and middle of the jaw
    8: (0.0, 85.0, 15.7),
    16: (73.2, -23.6, 51.6),
}
# The same face at the five points: eye centres, nose tip, corners of the mouth.
FIVE = np.array(
    [(-32.0, -30.7, 23.7), (32.0, -30.7, 23.7), (0, 0, 0), (-29.2, 35.3, 20.3), (29.2, 35.3, 20.3)]
)
_DENSE = np.array(list(LANDMARKS), dtype=np.intp)


class _Shape(NamedTuple):
    """A known face, centred and of unit size, and its pseudo-inverse for the affine start."""

    points: NDArray[np.float64]
    inverse: NDArray[np.float64]


def _shape(points: NDArray[np.float64]) -> _Shape:
    centred = points - points.mean(axis=0)
    centred /= np.sqrt((centred * centred).sum())
    return _Shape(centred, np.ascontiguousarray(np.linalg.pinv(centred)))


_DENSE_SHAPE = _shape(np.array(list(LANDMARKS.values())))
_FIVE_SHAPE = _shape(FIVE)


class Pose(NamedTuple):
    """Angles in degrees, in (-180, 180]; 0, 0, 0 looks straight into an upright camera.

    yaw: positive when the subject turns to the own left (the nose moves right in the picture).
    pitch: positive when the head goes down.
    roll: positive when the head tilts clockwise as the picture is seen.
    """

    yaw: float
    pitch: float
    roll: float


def head_pose(face: Face) -> Pose:
    """The pose that brings the mean face nearest to the landmarks, seen from far away.

    A camera without perspective needs no focal length, so the size and the place of the face in the picture
    do not matter. Where there are only five landmarks, they are used.
    """
    if face.dense is None:
        return _fit(face.landmarks.astype(np.float64), _FIVE_SHAPE)
    return _fit(face.dense[_DENSE].astype(np.float64), _DENSE_SHAPE)


def pose_measures(pose: Pose) -> tuple[QualityMeasure, ...]:
    """HeadPoseYaw, HeadPosePitch, HeadPoseRoll; raw in degrees.

    Source of the mapping: OFIQ measures/src/HeadPose.cpp, 100 cos^2; beyond 90 degrees it stays 0 here.
    """
    return tuple(
        measure(f"HeadPose{name}", angle, 100 * math.cos(math.radians(min(abs(angle), 90.0))) ** 2)
        for name, angle in (("Yaw", pose.yaw), ("Pitch", pose.pitch), ("Roll", pose.roll))
    )


def _fit(points: NDArray[np.float64], shape: _Shape) -> Pose:
    """Least squares over rotation, scale and shift."""
    return Pose(*(_core.head_pose(points, shape.points, shape.inverse) or 3 * (math.nan,)))
