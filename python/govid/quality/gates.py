"""Which measures refuse, from what value on, and the figures that justify it.

Chosen on LFW development photos only: people who are not in View 2, and the photos of View 1. Nothing in LFW
is bad enough to refuse (1 of 4,506 photos is, by Sharpness), so one photo each of 320 mated pairs, all of
different people, was made bad, its face found and embedded anew (SFace), and compared with the other photo
as it is. FNMR is at the score that 1 in 10,000 comparisons of strangers reaches (0.419); where neither photo
was touched it is 0.3 %.

The other measures inform and refuse nothing. On 2,105 mated pairs of 820 people as they are, at a score that
refuses 5.0 %, leaving out the tenth with the lowest value multiplies FNMR by (95 % interval over people):

- HeadPoseRoll 0.81 (0.67 to 0.94). The alignment undoes a tilt; in LFW it marks odd photos.
- Sharpness 0.83 (0.70 to 0.95), MouthClosed 0.85 (0.74 to 0.95), EyesVisible 0.86 (0.75 to 0.95),
  InterEyeDistance 0.87 (0.75 to 0.97): a help, but no value of theirs in LFW is a reason to refuse.
- HeadSize 0.90 (0.78 to 1.01), HeadPoseYaw 0.90 (0.76 to 1.02), EyesOpen 0.93 (0.84 to 1.01),
  OverExposurePrevention 0.94 (0.84 to 1.03), HeadPosePitch 0.98, CompressionArtifacts 0.98,
  UnderExposurePrevention 1.00, DynamicRange 1.03: no help was found. LFW has no yaw beyond 50 degrees.

A tenth of its light gives a photo the value 0 in UnderExposurePrevention and an FNMR of 0.6 %: to refuse by
it would be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GATES: Mapping[str, int] = MappingProxyType(
    {
        # Blurred by 1.5 to 6 pixels, moved by 9 and 15, shrunk to 0.5 to 0.18: n = 3,839, FNMR 18.6 %.
        # Below 20 n = 888, FNMR 57.2 %; the others 6.9 %.
        "Sharpness": 20,
        # 3, 6 and 12 times the light: n = 1,238, FNMR 19.1 %. Below 2, where two thirds of the face are
        # white, n = 265, FNMR 60.4 %; the others 7.8 %. LFW has 7 at least.
        "OverExposurePrevention": 2,
        # JPEG quality 90 to 5: n = 2,240, FNMR 7.4 %. Below 10 n = 292, FNMR 44.2 %; the others 1.9 %.
        # LFW has 93 at least.
        "CompressionArtifacts": 10,
    }
)
"""Least value by measure that is accepted, the same in all profiles."""

GATEABLE = frozenset(
    {
        "SingleFacePresent",
        "InterEyeDistance",
        "HeadPoseYaw",
        "HeadPosePitch",
        "HeadPoseRoll",
        "UnderExposurePrevention",
        "OverExposurePrevention",
        "DynamicRange",
        "Sharpness",
        "EyesVisible",
        "HeadSize",
        "EyesOpen",
        "MouthClosed",
    }
)
"""Measures that every photo has, so that a use case can ask for a value of them."""
