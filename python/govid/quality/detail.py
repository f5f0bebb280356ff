"""pixels -> sharpness of the face, and the traces of strong compression."""

from __future__ import annotations

import math

import cv2
import numpy as np

from govid import _core
from govid.quality.light import FACE, grey_of
from govid.quality.scale import measure, sigmoid
from govid.types import Face, Image, QualityMeasure

# 13 taps of a Gaussian with a standard deviation of 2 pixels, from the middle on.
_BLUR = np.ascontiguousarray(cv2.getGaussianKernel(13, 2.0)[6:, 0], dtype=np.float32)
# Levels of grey: a face without contrast has noise, not detail.
_NOISE = 4.0
# Enough blocks for a steady mean; a larger face costs no more than this part of it.
_PATCH = 256
# Three of the blocks of 8 x 8 pixels that JPEG codes.
_LEAST_PATCH = 24


def sharpness(crop: Image) -> QualityMeasure:
    """Sharpness; raw is the part of the contrast that a blur of 2 pixels takes away, about 0 to 0.3.

    The blur goes along rows and along columns, and the direction that loses less counts: a camera that moved
    leaves detail across its way. OFIQ uses a random forest (measures/src/Sharpness.cpp); this is a mapping of
    govid: 50 where LFW photos blurred with a Gaussian of 2.5 pixels lie (FNMR at FMR 1e-4 rises from 0.3 to
    4.4 %), 99 for the median of LFW. The crop is measured because it is what an embedder sees: a small face
    that was enlarged is as blurred as one out of focus.

    Args:
        crop: (112, 112, 3) uint8 RGB, aligned.
    """
    contrast, *lost = _core.blur_loss(grey_of(crop), _BLUR, FACE)
    raw = min(lost) / (contrast + _NOISE)
    return measure("Sharpness", raw, 100 * sigmoid(raw, 0.065, 0.015))


def compression_artifacts(picture: Image, face: Face) -> QualityMeasure | None:
    """CompressionArtifacts; raw is the step at the edges of 8 x 8 blocks over the steps elsewhere.

    OFIQ uses a network (measures/src/CompressionArtifacts.cpp); this is a mapping of govid: LFW as it is
    has 96; coded again at JPEG quality 25, 10 and 5 it has 87, 41 and 4. The place of the edges is not
    assumed, so a cropped or turned photo counts as well; one that was rescaled after the compression has lost
    its blocks and is not recognised.

    Args:
        picture: (height, width, 3) uint8 RGB, not resampled.
        face: where to look; None is returned where fewer than 24 pixels of it are inside the picture.
    """
    patch = _patch(picture, face)
    if min(patch.shape[:2]) < _LEAST_PATCH:
        return None
    raw = sum(_core.block_steps(grey_of(patch))) / 2
    return measure("CompressionArtifacts", raw, 100 * (1 - sigmoid(raw, 1.2, 0.3)))


def _patch(picture: Image, face: Face) -> Image:
    """The middle of the face as the picture holds it, at most 256 x 256 pixels."""
    sides = picture.shape[1::-1]
    spans = []
    for start, length, side in zip(face.box[:2].tolist(), face.box[2:].tolist(), sides, strict=True):
        low, high = (
            min(max(edge, 0.0), side) if not math.isnan(edge) else 0.0 for edge in (start, start + length)
        )
        spare = max(high - low - _PATCH, 0.0) / 2
        spans.append(slice(int(low + spare), int(high - spare)))
    across, down = spans
    return np.ascontiguousarray(picture[down, across])
