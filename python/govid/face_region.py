"""picture + face -> what may be kept of a photo: the face with a generous margin, and nothing else.

Not the aligned crop: another model has its own detector and alignment, and two people are told apart by hair
and ears, too. Not the original: it shows who stood beside, and says where and by which camera it was taken.
"""

from __future__ import annotations

import cv2
import numpy as np
import simplejpeg

from govid.types import Face, Image

MEDIA_TYPE = "image/jpeg"
MARGIN = 1.0
"""Of the box, on each side: hair, ears and chin, and room for a detector to find the face again."""
MAX_SIDE = 768
"""Pixels. The face has about a third of it, more than twice the side of what embedders read."""
_QUALITY = 95  # with whole colours: scores of the kept photo and of the original hardly differ


def face_region(picture: Image, face: Face) -> bytes:
    """Cut the face out with its margin.

    Args:
        picture: (height, width, 3) uint8 RGB, the one the face was found in.

    Returns:
        A JPEG file without metadata (no EXIF, no colour profile, no comment), sides up to ``MAX_SIDE``.
    """
    x, y, width, height = face.box.tolist()
    left, right = _within(x - MARGIN * width, x + (1 + MARGIN) * width, picture.shape[1])
    top, bottom = _within(y - MARGIN * height, y + (1 + MARGIN) * height, picture.shape[0])
    region = picture[top:bottom, left:right]
    if (scale := MAX_SIDE / max(region.shape[:2])) < 1:
        size = (max(1, round(region.shape[1] * scale)), max(1, round(region.shape[0] * scale)))
        region = np.asarray(cv2.resize(region, size, interpolation=cv2.INTER_AREA), np.uint8)
    encoded: bytes = simplejpeg.encode_jpeg(
        np.ascontiguousarray(region), quality=_QUALITY, colorspace="RGB", colorsubsampling="444"
    )
    return encoded


def _within(first: float, last: float, length: int) -> tuple[int, int]:
    """Whole pixels of a picture of that length; at least one, wherever a detector puts a box."""
    start = min(max(0, int(first)), length - 1)
    return start, max(start + 1, min(length, int(np.ceil(last))))
