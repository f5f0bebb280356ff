"""Faces for the tests of quality: a real portrait, and a synthetic head seen by a camera."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from govid.align import align
from govid.config import Settings
from govid.decode import Decoder
from govid.faces import FacePipeline
from govid.quality import measures
from govid.quality.pose import FIVE, LANDMARKS
from govid.types import Face, Image, QualityMeasure
from tests.support import MODELS

NAMES = {
    "SingleFacePresent",
    "InterEyeDistance",
    "HeadSize",
    "HeadPoseYaw",
    "HeadPosePitch",
    "HeadPoseRoll",
    "UnderExposurePrevention",
    "OverExposurePrevention",
    "DynamicRange",
    "Sharpness",
    "CompressionArtifacts",
    "EyesOpen",
    "EyesVisible",
    "MouthClosed",
}


@cache
def portrait(photo: bytes) -> tuple[Image, Face, Image]:
    """Picture, face with 68 landmarks, and crop of a photo of one person."""
    faces = FacePipeline(Settings(data_dir=str(MODELS.parent)))
    picture = Decoder(Settings()).decode(photo)
    face = faces.sample(photo).face
    return picture, face, align(picture, face.landmarks)


def by_name(picture: Image, face: Face, crop: Image | None = None) -> dict[str, QualityMeasure]:
    """All measures of a face; the crop is cut out of the picture unless there is one."""
    crop = align(picture, face.landmarks) if crop is None else crop
    return {one.name: one for one in measures(picture, face, crop)}


def scaled(picture: Image, face: Face, factor: float) -> tuple[Image, Face]:
    """The same photo at another size."""
    size = (round(picture.shape[1] * factor), round(picture.shape[0] * factor))
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(picture, size, interpolation=method), dtype=np.uint8), moved(face, factor)


def moved(face: Face, factor: float, shift: tuple[float, float] = (0, 0)) -> Face:
    """The face at another size and place."""
    assert face.dense is not None
    at = np.array(shift, dtype=np.float32)
    return replace(
        face,
        box=np.concatenate([face.box[:2] * factor + at, face.box[2:] * factor]).astype(np.float32),
        landmarks=(face.landmarks * factor + at).astype(np.float32),
        dense=(face.dense * factor + at).astype(np.float32),
    )


def head(
    yaw: float,
    pitch: float,
    roll: float,
    *,
    distance: float = 700.0,
    noise: NDArray[np.float64] | float = 0.0,
) -> Face:
    """A head seen by a camera with perspective, ``distance`` millimetres away; degrees as in ``Pose``."""
    y, p, r = np.radians([yaw, pitch, roll])
    about_x = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    about_y = np.array([[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])

    def seen(points: NDArray[np.float64]) -> NDArray[np.float32]:
        turned = points @ (about_z @ about_y @ about_x).T
        return (turned[:, :2] / (turned[:, 2:] + distance) * 1000 + 300).astype(np.float32)

    dense = np.zeros((68, 2), dtype=np.float32)
    dense[list(LANDMARKS)] = seen(np.array(list(LANDMARKS.values())) + noise)
    five = seen(FIVE)
    return Face(np.array([200, 200, 200, 200], dtype=np.float32), five, 0.9, dense)
