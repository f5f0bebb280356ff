"""picture -> faces, by YuNet (Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector")."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

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
        wanted = {head: [f"{head}_{stride}" for stride in STRIDES] for head in _HEADS}
        if missing := {name for names in wanted.values() for name in names} - set(session.output_names):
            raise ModelUnusable(f"detector: lacks the outputs {sorted(missing)}")
        self._session = session
        self._places = {
            head: [session.output_names.index(name) for name in names] for head, names in wanted.items()
        }
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
        grid = _grid(_round_up(height), _round_up(width))
        padded = cv2.copyMakeBorder(
            seen, 0, grid.height - height, 0, grid.width - width, cv2.BORDER_CONSTANT, value=(0, 0, 0)
        )
        # RGB -> BGR, values 0 to 255, (1, 3, height, width).
        outputs = self._session.run(np.asarray(cv2.dnn.blobFromImage(padded, swapRB=True), np.float32))
        heads = {
            head: np.concatenate([outputs[place][0] for place in places], dtype=np.float32)
            for head, places in self._places.items()
        }
        rows = _without_overlaps(_decode(heads, grid, self._min_score))
        stretch = np.array([level.shape[1] / width, level.shape[0] / height], np.float32) * 2**halvings
        # Centres of pixels, not their corners, lie on whole numbers.
        shift = (stretch - 1) / 2
        return [
            Face(
                box=np.concatenate([row[1:3] * stretch + shift, row[3:5] * stretch]),
                landmarks=row[5:].reshape(5, 2) * stretch + shift,
                score=float(row[0]),
            )
            for row in rows
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


class _Grid(NamedTuple):
    """The cells of all three strides, in the order of the outputs.

    height, width: sides of the network's input in pixels.
    corner: (cells, 2) float32, x and y of each cell's corner in pixels.
    stride: (cells, 1) float32, side of each cell in pixels.
    """

    height: int
    width: int
    corner: NDArray[np.float32]
    stride: NDArray[np.float32]


@lru_cache(maxsize=64)
def _grid(height: int, width: int) -> _Grid:
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1) * stride)
        strides.append(np.full((rows.size, 1), stride))
    return _Grid(
        height, width, np.concatenate(corners, dtype=np.float32), np.concatenate(strides, dtype=np.float32)
    )


def _decode(heads: Mapping[str, NDArray[np.float32]], grid: _Grid, min_score: float) -> NDArray[np.float32]:
    """Rows of score, x, y, w, h and five landmarks, in pixels of the network's input."""
    score = np.sqrt(np.clip(heads["cls"][:, 0], 0, 1) * np.clip(heads["obj"][:, 0], 0, 1))
    chosen = np.flatnonzero(score >= min_score)
    corner, stride, box = grid.corner[chosen], grid.stride[chosen], heads["bbox"][chosen]
    size = np.exp(box[:, 2:]) * stride
    centre = box[:, :2] * stride + corner
    points = (heads["kps"][chosen].reshape(-1, 5, 2) * stride[:, None] + corner[:, None]).reshape(-1, 10)
    return np.concatenate([score[chosen, None], centre - size / 2, size, points], axis=1, dtype=np.float32)


def _without_overlaps(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Non-maximum suppression: the best row of each group that overlaps, best first."""
    kept = cv2.dnn.NMSBoxes(rows[:, 1:5].tolist(), rows[:, 0].tolist(), 0.0, _MAX_OVERLAP)
    return rows[np.asarray(kept, dtype=np.intp)]
