"""pixels -> sharpness of the face, and the traces of strong compression."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from govid.quality.light import FACE
from govid.quality.scale import measure, sigmoid
from govid.types import Face, Image, QualityMeasure

# 13 taps of a Gaussian with a standard deviation of 2 pixels, along one axis.
_BLUR = cv2.getGaussianKernel(13, 2.0, cv2.CV_32F)
_KEEP = np.ones((1, 1), dtype=np.float32)
# Levels of grey: a face without contrast has noise, not detail.
_NOISE = 4.0
# JPEG codes blocks of 8 x 8 pixels.
_BLOCK = 8
# Enough blocks for a steady mean; a larger face costs no more than this part of it.
_PATCH = 256
_LEAST_PATCH = 3 * _BLOCK


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
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    along = (cv2.sepFilter2D(grey, -1, *axes) for axes in ((_BLUR, _KEEP), (_KEEP, _BLUR)))
    lost = min(float((grey - blurred).take(FACE).std()) for blurred in along)
    raw = lost / (float(grey.take(FACE).std()) + _NOISE)
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
    luma = np.asarray(cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    raw = (_steps(luma) + _steps(np.ascontiguousarray(luma.T))) / 2
    return measure("CompressionArtifacts", raw, 100 * (1 - sigmoid(raw, 1.2, 0.3)))


def _patch(picture: Image, face: Face) -> Image:
    """The middle of the face as the picture holds it, at most 256 x 256 pixels."""
    box = face.box.astype(np.float64)
    sides = np.array(picture.shape[1::-1])
    low, high = np.nan_to_num([box[:2], box[:2] + box[2:]], posinf=1e9, neginf=-1e9)
    low, high = np.clip(low, 0, sides), np.clip(high, 0, sides)
    spare = np.maximum(high - low - _PATCH, 0) / 2
    (left, top), (right, bottom) = (low + spare).astype(int), (high - spare).astype(int)
    return np.ascontiguousarray(picture[top:bottom, left:right])


def _steps(luma: NDArray[np.uint8]) -> float:
    """How much more neighbours differ at every eighth column than beside it, over the mean difference."""
    profile = cv2.reduce(cv2.absdiff(luma[:, 1:], luma[:, :-1]), 0, cv2.REDUCE_AVG, dtype=cv2.CV_32F)[0]
    excess = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
    phases = np.arange(excess.size) % _BLOCK
    strongest = float((np.bincount(phases, excess) / np.bincount(phases)).max())
    # One level of grey keeps a flat patch from dividing by nothing.
    return max(strongest, 0.0) / (float(profile.mean()) + 1)
