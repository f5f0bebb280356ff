"""crop -> exposure and dynamic range of the face."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.quality.scale import measure, sigmoid
from govid.types import CROP_SIDE, Image, QualityMeasure

# From sRGB to linear light (IEC 61966-2-1), and its luminance (ITU-R BT.709), as OFIQ does it in
# utils/src/image_utils.cpp.
_SRGB = np.arange(256) / 255
_LINEAR = np.where(_SRGB > 0.04045, ((_SRGB + 0.055) / 1.055) ** 2.4, _SRGB / 12.92)
_LUMINANCE = np.outer([0.2126, 0.7152, 0.0722], _LINEAR * 255).astype(np.float32)
# The outline of the mean face in an aligned crop: half of the jaw, which ends below the crop, and the brow.
_LEFT = [
    (56, 112),
    (36, 112),
    (28, 106),
    (22, 97),
    (17, 76),
    (15, 55),
    (23, 46),
    (35, 40),
    (50, 43),
    (56, 43),
]
_RIGHT = [(CROP_SIDE - x, y) for x, y in reversed(_LEFT)]
_OUTLINE = np.array([*_LEFT, *_RIGHT], dtype=np.int32)
FACE = np.flatnonzero(cv2.fillPoly(np.zeros((CROP_SIDE, CROP_SIDE), np.uint8), [_OUTLINE], 1))
"""The pixels of an aligned crop that belong to a face: (n,) int64, row times 112 plus column."""


def grey_of(picture: Image) -> NDArray[np.uint8]:
    """(height, width, 3) uint8 RGB -> (height, width) uint8, the luma of ITU-R BT.601."""
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), dtype=np.uint8)


def light_measures(crop: Image) -> tuple[QualityMeasure, ...]:
    """UnderExposurePrevention, OverExposurePrevention, DynamicRange, from one histogram of luminance.

    OFIQ leaves out what covers the face, which needs a segmentation network; here all within the outline
    counts, also what lies outside the picture (black). Linear luminance is lower for dark skin by its nature,
    one reason more why a dark or flat face is not refused.

    Args:
        crop: (112, 112, 3) uint8 RGB, aligned.
    """
    return from_histogram(luminance_histogram(crop))


def luminance_histogram(crop: Image) -> NDArray[np.float64]:
    """(256,) part of the face at each level of linear luminance, sum 1."""
    return _core.luminance_histogram(crop, _LUMINANCE, FACE) / FACE.size


def from_histogram(levels: NDArray[np.float64]) -> tuple[QualityMeasure, ...]:
    """The three measures. Raw: part of dark pixels, part of bright pixels, entropy in bits.

    Sources: OFIQ measures/src/UnderExposurePrevention.cpp (levels 0 to 25; 120 (0.832 - sigmoid at 0.92,
    width 0.05)), OverExposurePrevention.cpp (247 to 255; 1 / (raw + 0.01)), DynamicRange.cpp (12.5 per bit).
    """
    dark, bright = float(levels[:26].sum()), float(levels[247:].sum())
    used = levels[levels > 0]
    entropy = float(-(used * np.log2(used)).sum())
    return (
        measure("UnderExposurePrevention", dark, 120 * (0.832 - sigmoid(dark, 0.92, 0.05))),
        measure("OverExposurePrevention", bright, 1 / (bright + 0.01)),
        measure("DynamicRange", entropy, 12.5 * entropy),
    )
