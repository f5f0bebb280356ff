"""picture -> faces, by YuNet (Wu, Peng, Yu 2023, "YuNet: A Tiny Millisecond-level Face Detector")."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from govid.config import Settings
from govid.errors import FaceNotDetected, ModelUnusable, MultipleFaces
from govid.types import Face, Image, InferenceSession

STRIDES = (8, 16, 32)
_OUTPUTS = tuple(f"{head}_{stride}" for stride in STRIDES for head in ("cls", "obj", "bbox", "kps"))
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
        if missing := set(_OUTPUTS) - set(session.output_names):
            raise ModelUnusable(f"detector: lacks the outputs {sorted(missing)}")
        self._session = session
        self._min_score = settings.face_min_score
        self._comparable = settings.comparable_face_ratio

    def warm(self) -> None:
        """Run once, so that the first request pays for no allocation."""
        self._faces_at(np.zeros((LONG_SIDES[0], LONG_SIDES[0], 3), dtype=np.uint8), 1.0)

    def the_face(self, _: Image, faces: list[Face]) -> Face:
        """The only large face of a picture of one person.

        Raises:
            FaceNotDetected: there is none.
            MultipleFaces: a second face is of comparable size; choosing one would be a guess.
        """
        if not faces:
            raise FaceNotDetected
        largest, *others = sorted(faces, key=lambda face: -face.size)
        comparable = [face for face in others if face.size >= self._comparable * largest.size]
        if comparable:
            raise MultipleFaces(f"{1 + len(comparable)} faces of comparable size")
        return largest

    def faces(self, picture: Image) -> list[Face]:
        """All faces of a picture that stands upright, best first: coarse, and finer where they are small.

        Args:
            picture: (height, width, 3) uint8 RGB.
        """
        found: list[Face] = []
        for scale in _scales(picture):
            found = self._faces_at(picture, scale) or found
            if found and max(face.size for face in found) * scale >= NEAR_ENOUGH:
                break
        return found

    def search(self, picture: Image) -> tuple[int, list[Face]]:
        """All faces in whichever orientation shows one best: a photo may lie on its side without saying so.

        Returns:
            Quarter turns counter-clockwise (``numpy.rot90``) and the faces of the turned picture.
        """
        best: tuple[float, int] | None = None
        for scale in _scales(picture)[:_SEARCH_SCALES]:
            for turns in range(4):
                found = self._faces_at(np.ascontiguousarray(np.rot90(picture, turns)), scale)
                score = max((face.score for face in found), default=0.0) - (_TURN_COST if turns else 0.0)
                if found and (best is None or score > best[0]):
                    best = (score, turns)
            if best is not None and best[0] >= _SURE_IN_SEARCH:
                break
        if best is None:
            return 0, []
        return best[1], self.faces(np.ascontiguousarray(np.rot90(picture, best[1])))

    def _faces_at(self, picture: Image, scale: float) -> list[Face]:
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        seen = picture if scale == 1.0 else cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
        tensor = np.zeros((1, 3, _round_up(height), _round_up(width)), dtype=np.float32)
        tensor[0, :, :height, :width] = seen.transpose(2, 0, 1)[::-1]  # RGB -> BGR, values 0 to 255
        outputs = dict(zip(self._session.output_names, self._session.run(tensor), strict=True))
        rows = np.concatenate(
            [_decode(outputs, stride, tensor.shape[3], self._min_score) for stride in STRIDES]
        )
        stretch = np.array([picture.shape[1] / width, picture.shape[0] / height], dtype=np.float32)
        # Centres of pixels, not their corners, lie on whole numbers.
        shift = (stretch - 1) / 2
        return [
            Face(
                box=np.concatenate([row[1:3] * stretch + shift, row[3:5] * stretch]),
                landmarks=row[5:].reshape(5, 2) * stretch + shift,
                score=float(row[0]),
            )
            for row in _without_overlaps(rows)
        ]


def _scales(picture: Image) -> list[float]:
    """Scales to try. A picture is never enlarged: that shows no face that was not there."""
    longest = max(picture.shape[:2])
    return sorted({min(1.0, side / longest) for side in LONG_SIDES})


def _round_up(side: int) -> int:
    return -(-side // STRIDES[-1]) * STRIDES[-1]


def _decode(
    outputs: dict[str, NDArray[np.float32]], stride: int, width: int, min_score: float
) -> NDArray[np.float32]:
    """Rows of score, x, y, w, h and five landmarks, in pixels of the network's input."""
    score = np.sqrt(
        np.clip(outputs[f"cls_{stride}"][0, :, 0], 0, 1) * np.clip(outputs[f"obj_{stride}"][0, :, 0], 0, 1)
    )
    chosen = np.flatnonzero(score >= min_score)
    cell = np.stack([chosen % (width // stride), chosen // (width // stride)], axis=1)
    box = outputs[f"bbox_{stride}"][0, chosen]
    centre = (cell + box[:, :2]) * stride
    size = np.exp(box[:, 2:]) * stride
    points = (outputs[f"kps_{stride}"][0, chosen].reshape(-1, 5, 2) + cell[:, None]) * stride
    return np.concatenate(
        [score[chosen, None], centre - size / 2, size, points.reshape(-1, 10)], axis=1, dtype=np.float32
    )


def _without_overlaps(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Greedy non-maximum suppression: the best row of each group that overlaps."""
    rows = rows[np.argsort(-rows[:, 0], kind="stable")]
    kept = []
    while len(rows):
        best, rows = rows[0], rows[1:]
        kept.append(best)
        corner = np.maximum(best[1:3], rows[:, 1:3])
        opposite = np.minimum(best[1:3] + best[3:5], rows[:, 1:3] + rows[:, 3:5])
        shared = np.prod(np.clip(opposite - corner, 0, None), axis=1)
        union = best[3] * best[4] + rows[:, 3] * rows[:, 4] - shared
        rows = rows[shared <= _MAX_OVERLAP * union]
    return np.array(kept, dtype=np.float32).reshape(-1, 15)
