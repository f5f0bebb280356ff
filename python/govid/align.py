"""picture + landmarks -> crop: the eyes, nose and mouth at fixed places, whatever the pose of the head."""

from __future__ import annotations

from govid.geometry import FIVE_POINTS, Points, similarity, warp
from govid.types import CROP_SIDE, Image


def align(picture: Image, landmarks: Points) -> Image:
    """Cut the face out, upright and scaled.

    Args:
        picture: (height, width, 3) uint8 RGB.
        landmarks: (5, 2) pixels, in the order of ``FIVE_POINTS``.

    Returns:
        (112, 112, 3) uint8 RGB; black where the crop leaves the picture.

    Raises:
        LowQuality: the landmarks fall together.
    """
    # Cubic: fewer misses than linear on LFW outside View 2 at every rate looked at, for 0.1 ms.
    return warp(picture, similarity(landmarks, FIVE_POINTS), CROP_SIDE, sharp=True)
