"""face -> quality measures under their ISO/IEC 29794-5 names, and the gate that refuses what is unusable."""

from __future__ import annotations

import math

from govid.config import Settings
from govid.errors import LowQuality
from govid.types import Face, QualityMeasure


class QualityGate:
    """Measures a face and refuses one from which no fair comparison can be made."""

    def __init__(self, settings: Settings) -> None:
        self._min_face_size = settings.min_face_size

    def assess(self, face: Face) -> tuple[QualityMeasure, ...]:
        """Measure the face.

        Raises:
            LowQuality: the face is smaller than the setting allows. The distance of the eyes is measured
                but no gate: it is short in a profile of any size.
        """
        if face.size < self._min_face_size:
            raise LowQuality(f"the face is {face.size:.0f} pixels wide, at least {self._min_face_size:g}")
        return (inter_eye_distance(face.inter_eye_distance),)


def inter_eye_distance(pixels: float) -> QualityMeasure:
    """InterEyeDistance of ISO/IEC 29794-5, as a sigmoid: 70 pixels are half of the scale.

    Source: OFIQ, the standard's reference implementation (centre 70, width 20).
    """
    value = 100 / (1 + math.exp((70 - pixels) / 20))
    return QualityMeasure(name="InterEyeDistance", raw=round(pixels, 2), value=round(value))
