from __future__ import annotations

import numpy as np
import pytest

from govid.quality.occlusion import eyes_visible
from govid.types import Image
from tests.govid.quality.samples import portrait
from tests.support import BIDEN, OBAMA, OBAMA_LATER

PHOTOS = pytest.mark.parametrize("photo", [OBAMA, OBAMA_LATER, BIDEN])


def with_glasses(crop: Image, light: float) -> Image:
    """The crop with glasses that let through a part of the light (0 is black)."""
    crop = crop.copy()
    crop[44:62, 25:87] = (crop[44:62, 25:87] * light).astype(np.uint8)
    return crop


@PHOTOS
def test_bare_eyes_are_visible(photo: bytes) -> None:
    assert eyes_visible(portrait(photo)[2]).value > 85


@PHOTOS
def test_the_darker_the_glasses_the_less_visible_are_the_eyes(photo: bytes) -> None:
    crop = portrait(photo)[2]
    values = [eyes_visible(with_glasses(crop, light)).value for light in (1.0, 0.5, 0.25, 0.0)]
    assert values == sorted(values, reverse=True)
    assert values[-1] < 10


@PHOTOS
@pytest.mark.parametrize("factor", [0.4, 0.7])
def test_a_darker_photo_or_skin_makes_little_difference(photo: bytes, factor: float) -> None:
    crop = portrait(photo)[2]
    darker = (crop * factor).astype(np.uint8)
    assert eyes_visible(darker).raw == pytest.approx(eyes_visible(crop).raw, rel=0.15)
