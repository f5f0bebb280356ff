"""face -> precise landmarks: 68 points by a small network, looked at twice and once in the mirror.

The five points of a detector wander by 2 to 3 pixels of the crop between a photo and its mirror image;
these by a tenth of one, and FNMR falls to less than a half (Decisions in CONTRIBUTING.md).
"""

from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from govid.errors import ModelUnusable
from govid.geometry import FIVE_POINTS, Points, inverse, moved, scale_of, similarity, warp
from govid.types import Face, Image, InferenceSession

_SIDE = 64
# Where the five points lie in the network's 64 x 64 view: the eyes 24 pixels apart, the face's centre
# 5 pixels above the middle. Chosen on LFW View 1 by the steadiness of the result.
_EYES = 24.0
_VIEW = (FIVE_POINTS - FIVE_POINTS.mean(axis=0)) * (_EYES / np.hypot(*(FIVE_POINTS[1] - FIVE_POINTS[0]))) + [
    (_SIDE - 1) / 2,
    (_SIDE - 1) / 2 - 0.08 * _SIDE,
]
# Lids left and right of each pupil, the tip of the nose, and the outer and inner corners of the mouth:
# (5, 68) float64, each row a mean.
_FIVE_OF_68 = np.array(
    [
        np.isin(np.arange(68), group) / len(group)
        for group in ([37, 38, 40, 41], [43, 44, 46, 47], [30], [48, 60], [54, 64])
    ]
)
# Where each of the 68 points goes when left and right change places.
_MIRRORED = np.array(
    [
        *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, *range(35, 30, -1),
        45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
        *range(54, 47, -1), *range(59, 54, -1), *range(64, 59, -1), 67, 66, 65,
    ]
)  # fmt: skip
STEADY = 4.0
"""Two looks at a face that is one differ by less: root mean square in pixels of the 112 x 112 crop."""


class LandmarkFinder:
    """Finds 68 landmarks of a detected face."""

    def __init__(self, session: InferenceSession) -> None:
        """Bind to a loaded model.

        Raises:
            ModelUnusable: it does not turn (1, 1, 64, 64) into 68 points.
        """
        self._session = session
        try:
            self._look(np.zeros((_SIDE, _SIDE), dtype=np.float32))
        except ValueError as error:
            raise ModelUnusable(f"landmarks: {error}") from None

    def refine(self, picture: Image, face: Face) -> tuple[Face, float]:
        """The face with its landmarks made precise, and by how much two looks at it differ.

        Args:
            picture: (height, width, 3) uint8 RGB in which the face was detected.

        Returns:
            The face with ``landmarks`` and ``dense`` set, and the difference of two looks: root mean
            square in pixels of the 112 x 112 crop. Beyond ``STEADY`` it is likely no upright face.

        Raises:
            LowQuality: the landmarks fall together.
        """
        first = five_of_68(self._pass(picture, face.landmarks))
        dense = self._pass(picture, first, mirrored=True)
        second = five_of_68(dense)
        difference = (first - second).ravel()
        apart = math.sqrt(difference @ difference / len(first))
        refined = replace(face, landmarks=second.astype(np.float32), dense=dense.astype(np.float32))
        return refined, apart * scale_of(similarity(second, FIVE_POINTS))

    def _pass(self, picture: Image, five: Points, *, mirrored: bool = False) -> NDArray[np.float64]:
        """One look, or the mean of a look and one at the mirror image: left and right then err alike."""
        matrix = similarity(five, _VIEW)
        grey = cv2.cvtColor(warp(picture, matrix, _SIDE), cv2.COLOR_RGB2GRAY) * np.float32(1 / 256)
        dense = self._look(grey)
        if mirrored:
            other = self._look(np.ascontiguousarray(grey[:, ::-1]))[_MIRRORED]
            other[:, 0] = _SIDE - 1 - other[:, 0]
            dense = (dense + other) / 2
        return moved(dense, inverse(matrix))

    def _look(self, grey: NDArray[np.float32]) -> NDArray[np.float64]:
        # The network answers in parts of its view; its pixel centres lie half a pixel in.
        return self._session.run(grey[None, None])[0].reshape(68, 2).astype(np.float64) * _SIDE - 0.5


def five_of_68(dense: Points) -> NDArray[np.float64]:
    """The five points of the alignment template: (68, 2) -> (5, 2)."""
    five: NDArray[np.float64] = _FIVE_OF_68 @ dense
    return five
