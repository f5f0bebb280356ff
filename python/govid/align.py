"""picture + landmarks -> crop: the eyes, nose and mouth at fixed places, whatever the pose of the head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from govid.errors import LowQuality
from govid.types import CROP_SIDE, Image

# The five-point template of ArcFace (Deng et al. 2019), in pixels of a 112 x 112 crop: right eye, left
# eye, nose tip, right and left mouth corner of the subject. SFace was trained on the same one.
TEMPLATE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def align(picture: Image, landmarks: NDArray[np.float32]) -> Image:
    """Cut the face out, upright and scaled.

    Args:
        picture: (height, width, 3) uint8 RGB.
        landmarks: (5, 2) pixels, in the order of ``TEMPLATE``.

    Returns:
        (112, 112, 3) uint8 RGB; black where the crop leaves the picture.

    Raises:
        LowQuality: the landmarks fall together.
    """
    matrix = similarity(landmarks, TEMPLATE)
    zoom = float(np.hypot(matrix[0, 0], matrix[1, 0]))
    source = picture
    if zoom < 0.5:
        # Bilinear sampling skips pixels when it shrinks by more than two: average them first.
        height, width = picture.shape[:2]
        small = (max(1, round(width * 2 * zoom)), max(1, round(height * 2 * zoom)))
        source = cv2.resize(picture, small, interpolation=cv2.INTER_AREA).astype(np.uint8, copy=False)
        matrix = similarity(landmarks * np.array([small[0] / width, small[1] / height]), TEMPLATE)
    crop = cv2.warpAffine(source, matrix, (CROP_SIDE, CROP_SIDE), flags=cv2.INTER_LINEAR)
    return np.ascontiguousarray(crop, dtype=np.uint8)


def similarity(source: NDArray[np.floating], target: NDArray[np.floating]) -> NDArray[np.float64]:
    """The rotation, scale and shift that bring ``source`` nearest to ``target`` (least squares).

    Read as complex numbers, a similarity is ``z -> a z + b``, and ``a`` is a ratio of two sums. A
    reflection cannot come out, so a mirrored set of landmarks is never silently flipped.

    Args:
        source: (n, 2) points, not all the same.
        target: (n, 2) points.

    Returns:
        (2, 3) float64 matrix for ``cv2.warpAffine``.

    Raises:
        LowQuality: the points of ``source`` fall together, which is no face.
    """
    z = source.astype(np.float64) @ [1, 1j]
    w = target.astype(np.float64) @ [1, 1j]
    z_mean, w_mean = z.mean(), w.mean()
    z = z - z_mean
    if not np.vdot(z, z).real > 1e-6:
        raise LowQuality("the landmarks fall together")
    a = np.vdot(z, w - w_mean) / np.vdot(z, z)
    b = w_mean - a * z_mean
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])
