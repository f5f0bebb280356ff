"""picture -> faces, by YuNet (Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector")."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np

from govid import _core
from govid.config import Settings
from govid.errors import FaceNotDetected, ModelUnusable, MultipleFaces
from govid.geometry import halved
from govid.types import Face, Image, InferenceSession

STRIDES = (8, 16, 32)
_HEADS = ("cls", "obj", "bbox", "kps")
# Longer sides of the picture as the network sees it, in the order tried.
LONG_SIDES = (192, 384, 640, 1280)
# A face of fewer pixels in that view may hide others of its size: look again, nearer.
NEAR_ENOUGH = 48.0
# Scores of faces that stand upright are nearly all above; below, the other orientations are tried too.
SURE = 0.9
_SURE_IN_SEARCH = 0.88
# The largest view in four orientations would cost ten times a portrait, for any picture without a face.
_SEARCH_SCALES = 3
# A turned picture must show a face clearly better, for half a turn changes scores a little.
_TURN_COST = 0.02
_MAX_OVERLAP = 0.3


class Detector:
    """Finds the faces of a picture and chooses the one a comparison is about."""

    def __init__(self, session: InferenceSession, settings: Settings) -> None:
        """Bind to a loaded YuNet.

        Raises:
            ModelUnusable: the model has not YuNet's outputs.
        """
        wanted = [f"{head}_{stride}" for head in _HEADS for stride in STRIDES]
        if missing := set(wanted) - set(session.output_names):
            raise ModelUnusable(f"detector: lacks the outputs {sorted(missing)}")
        self._session = session
        self._places = [session.output_names.index(name) for name in wanted]
        self._min_score = settings.face_min_score
        self._comparable = settings.comparable_face_ratio

    def warm(self) -> None:
        """Run once, so that the first request pays for no allocation."""
        self._faces_at([np.zeros((LONG_SIDES[0], LONG_SIDES[0], 3), dtype=np.uint8)], 1.0)

    def the_face(self, faces: list[Face], comparable_ratio: float | None = None) -> Face:
        """The only large face of a picture of one person.

        Args:
            comparable_ratio: a second face of at least this part of the largest one's side is comparable;
                the settings' if left out.

        Raises:
            FaceNotDetected: there is none.
            MultipleFaces: a second face is of comparable size; choosing one would be a guess.
        """
        if not faces:
            raise FaceNotDetected
        ratio = comparable_ratio or self._comparable
        largest, *others = sorted(faces, key=lambda face: -face.size)
        comparable = [face for face in others if face.size >= ratio * largest.size]
        if comparable:
            raise MultipleFaces(f"{1 + len(comparable)} faces of comparable size")
        return largest

    def faces(self, picture: Image) -> list[Face]:
        """All faces of a picture that stands upright, best first: coarse, and finer where they are small.

        Args:
            picture: (height, width, 3) uint8 RGB.
        """
        found: list[Face] = []
        levels = _levels(picture)
        for scale in _scales(picture):
            found = self._faces_at(levels, scale) or found
            if found and max(face.size for face in found) * scale >= NEAR_ENOUGH:
                break
        return found

    def search(self, picture: Image) -> tuple[int, Image, list[Face]]:
        """All faces in whichever orientation shows one best: a photo may lie on its side without saying so.

        Returns:
            Quarter turns counter-clockwise (``numpy.rot90``), the turned picture and its faces.
        """
        best: tuple[float, int] | None = None
        levels = _levels(picture)
        for scale in _scales(picture)[:_SEARCH_SCALES]:
            for turns in range(4):
                found = self._faces_at(levels, scale, turns)
                score = max((face.score for face in found), default=0.0) - (_TURN_COST if turns else 0.0)
                if found and (best is None or score > best[0]):
                    best = (score, turns)
            if best is not None and best[0] >= _SURE_IN_SEARCH:
                break
        if best is None:
            return 0, picture, []
        turned = np.ascontiguousarray(np.rot90(picture, best[1]))
        return best[1], turned, self.faces(turned)

    def _faces_at(self, levels: Sequence[Image], scale: float, turns: int = 0) -> list[Face]:
        """Faces at one scale, in pixels of the turned picture (but for its dropped last row and column)."""
        halvings = min(len(levels) - 1, math.floor(-math.log2(scale)))
        level = np.rot90(levels[halvings], turns)
        height, width = (max(1, round(side * scale * 2**halvings)) for side in level.shape[:2])
        # What is left is more than a half: lines between pixels skip none.
        seen = cv2.resize(np.ascontiguousarray(level), (width, height), interpolation=cv2.INTER_LINEAR)
        sides = _round_up(width), _round_up(height)
        if sides != (width, height):
            seen = cv2.copyMakeBorder(
                seen, 0, sides[1] - height, 0, sides[0] - width, cv2.BORDER_CONSTANT, value=(0, 0, 0)
            )
        # RGB -> BGR, values 0 to 255, (1, 3, height, width).
        tensor = cv2.dnn.blobFromImage(seen, swapRB=True, ddepth=cv2.CV_8U)
        outputs = self._session.run(np.asarray(tensor, np.uint8))
        stretch = level.shape[1] / width * 2**halvings, level.shape[0] / height * 2**halvings
        rows = _core.detections(
            [outputs[place] for place in self._places], sides, stretch, self._min_score, _MAX_OVERLAP
        )
        return [
            Face(box=row[1:5], landmarks=row[5:].reshape(5, 2), score=score)
            for row, score in zip(rows, rows[:, 0].tolist(), strict=True)
        ]


def _scales(picture: Image) -> list[float]:
    """Scales to try. A picture is never enlarged: that shows no face that was not there."""
    longest = max(picture.shape[:2])
    return sorted({min(1.0, side / longest) for side in LONG_SIDES})


def _levels(picture: Image) -> list[Image]:
    """The picture, and what is left of it halved once, twice, ... until it fits the smallest view.

    To average blocks of two by two costs a tenth of a reduction by any other factor.
    """
    levels = [picture]
    while max(levels[-1].shape[:2]) >= 2 * LONG_SIDES[0] and min(levels[-1].shape[:2]) >= 2:
        levels.append(halved(levels[-1]))
    return levels


def _round_up(side: int) -> int:
    return -(-side // STRIDES[-1]) * STRIDES[-1]
