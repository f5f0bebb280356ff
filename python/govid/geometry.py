"""Plane geometry of faces: similarities, and warps that average instead of skipping pixels."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.errors import LowQuality
from govid.types import Image

Points = NDArray[np.floating]

# The five-point template of ArcFace (Deng et al. 2019), in pixels of a 112 x 112 crop: right eye, left
# eye, nose tip, right and left mouth corner of the subject. SFace was trained on the same one.
FIVE_POINTS = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)


def similarity(source: Points, target: Points) -> NDArray[np.float64]:
    """The rotation, scale and shift that bring ``source`` nearest to ``target`` (least squares).

    A reflection cannot come out, so a mirrored set of landmarks is never silently flipped.

    Args:
        source: (n, 2) points, not all the same.
        target: (n, 2) points.

    Returns:
        (2, 3) float64 matrix for ``warp``.

    Raises:
        LowQuality: the points of ``source`` fall together, which is no face.
    """
    try:
        return _core.similarity(np.ascontiguousarray(source, np.float64), np.asarray(target, np.float64))
    except _core.CoreError:
        raise LowQuality("the landmarks fall together") from None


def scale_of(matrix: NDArray[np.float64]) -> float:
    """By how much a similarity enlarges."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def moved(points: Points, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """(n, 2) points under a (2, 3) matrix."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def inverse(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The (2, 3) matrix that undoes a similarity."""
    (cosine, _, x), (sine, _, y) = matrix.tolist()
    square = cosine * cosine + sine * sine
    cosine, sine = cosine / square, -sine / square
    return np.array([[cosine, -sine, sine * y - cosine * x], [sine, cosine, -sine * x - cosine * y]])


def halved(picture: Image) -> Image:
    """The mean of each block of two by two pixels; an odd last row or column is dropped.

    Args:
        picture: (height, width, 3) uint8, both sides at least 2.
    """
    height, width = (side // 2 for side in picture.shape[:2])
    even = picture[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), dtype=np.uint8)


def warp(picture: Image, matrix: NDArray[np.float64], side: int, *, sharp: bool = False) -> Image:
    """The picture seen through a similarity.

    Args:
        picture: (height, width, 3) uint8.
        matrix: (2, 3), from pixels of the picture to pixels of the result.
        side: width and height of the result.
        sharp: interpolate by cubics instead of lines.

    Returns:
        (side, side, 3) uint8; black where the result leaves the picture.
    """
    zoom = scale_of(matrix)
    if zoom < 0.5:
        # Sampling skips pixels when it shrinks by more than two: average them first, in the part of the
        # picture that is seen, so that a large photo costs little more than a small one.
        corners = moved(np.array([[0, 0], [side, 0], [0, side], [side, side]]), inverse(matrix))
        height, width = picture.shape[:2]
        left, top = np.clip(np.floor(corners.min(axis=0)) - 2 / zoom, 0, [width - 1, height - 1]).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 2 / zoom, 1, [width, height]).astype(int)
        picture = picture[top : max(bottom, top + 1), left : max(right, left + 1)]
        factor = 1
        while zoom * factor < 0.5 and min(picture.shape[:2]) >= 2:
            picture, factor = halved(picture), 2 * factor
        # Centres of pixels, not their corners, lie on whole numbers.
        back = np.column_stack([np.eye(2) * factor, (factor - 1) / 2 + np.array([left, top])])
        matrix = matrix @ np.vstack([back, [0, 0, 1]])
    flags = cv2.INTER_CUBIC if sharp else cv2.INTER_LINEAR
    seen = cv2.warpAffine(picture, matrix, (side, side), flags=flags)
    return np.ascontiguousarray(seen, dtype=np.uint8)
