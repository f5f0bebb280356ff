"""face -> quality measures under their ISO/IEC 29794-5 names, and the gates that refuse what is unusable.

The names are those of ISO/IEC 29794-5:2025 and of its reference implementation OFIQ (github.com/BSI-OFIQ/
OFIQ-Project, paths below OFIQlib/modules). Each measure says whose mapping from raw figure to value it uses.

What needs a network of its own there (FaceOcclusionPrevention, MouthOcclusionPrevention, NoHeadCoverings,
BackgroundUniformity, ExpressionNeutrality, UnifiedQualityScore) is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from govid.config import Settings
from govid.errors import LowQuality
from govid.quality.detail import compression_artifacts, sharpness
from govid.quality.gates import GATES
from govid.quality.light import light_measures
from govid.quality.occlusion import eyes_visible
from govid.quality.pose import head_pose, pose_measures
from govid.quality.shape import eyes_open, head_size, inter_eye_distance, mouth_closed, single_face_present
from govid.types import Face, Image, QualityMeasure

__all__ = ["QualityGate", "measures"]


class QualityGate:
    """Measures a face and refuses one from which no fair comparison can be made."""

    def __init__(self, settings: Settings) -> None:
        self._min_face_size = settings.min_face_size
        self._gates: Mapping[str, int] = GATES

    def assess(
        self, picture: Image, face: Face, crop: Image, *, others: Sequence[Face] = ()
    ) -> tuple[QualityMeasure, ...]:
        """Measure the face.

        Args:
            picture: (height, width, 3) uint8 RGB, upright, not resampled.
            face: the face the comparison is about; without ``dense`` the measures that need it are left out.
            crop: (112, 112, 3) uint8 RGB, aligned.
            others: the other faces of the picture.

        Returns:
            Every measure, with the value it must reach where it is a gate.

        Raises:
            LowQuality: the face is smaller than the setting allows, or a value lies under its threshold.
        """
        if not face.size >= self._min_face_size:
            raise LowQuality(f"the face is {face.size:.0f} pixels wide, at least {self._min_face_size:g}")
        found = tuple(
            msgspec.structs.replace(one, threshold=self._gates[one.name]) if one.name in self._gates else one
            for one in measures(picture, face, crop, others)
        )
        for one in found:
            if one.threshold is not None and one.value < one.threshold:
                raise LowQuality(
                    f"{one.name} is {one.value} of 100 (raw {one.raw:g}), at least {one.threshold}"
                )
        return found


# Landmarks without sense overflow on the way; what is not finite ends as 0.
@np.errstate(all="ignore")
def measures(
    picture: Image, face: Face, crop: Image, others: Sequence[Face] = ()
) -> tuple[QualityMeasure, ...]:
    """All measures without gates, for any landmarks at all; arguments as for ``QualityGate.assess``."""
    pose = head_pose(face)
    found = [
        single_face_present(face, others),
        inter_eye_distance(face, pose.yaw),
        *pose_measures(pose),
        *light_measures(crop),
        sharpness(crop),
        eyes_visible(crop),
    ]
    if (artifacts := compression_artifacts(picture, face)) is not None:
        found.append(artifacts)
    if face.dense is not None:
        found += [head_size(face.dense, picture.shape[0]), eyes_open(face.dense), mouth_closed(face.dense)]
    return tuple(found)
