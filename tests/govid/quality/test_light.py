from __future__ import annotations

import numpy as np
import pytest

from govid.quality.light import light_measures, luminance_histogram
from govid.types import Image, QualityMeasure
from tests.govid.quality.samples import portrait
from tests.support import BIDEN, OBAMA


def exposed(crop: Image, factor: float) -> Image:
    """As if the shutter had been open so many times longer."""
    return np.asarray(255 * np.clip((crop / 255) ** 2.2 * factor, 0, 1) ** (1 / 2.2), dtype=np.uint8)


def light(crop: Image) -> dict[str, QualityMeasure]:
    return {one.name: one for one in light_measures(crop)}


@pytest.mark.parametrize("photo", [OBAMA, BIDEN])
def test_a_good_portrait_is_neither_too_dark_nor_too_bright(photo: bytes) -> None:
    found = light(portrait(photo)[2])
    assert found["UnderExposurePrevention"].value > 95
    assert found["OverExposurePrevention"].value > 60
    assert found["DynamicRange"].value > 75


def test_under_exposure_prevention_falls_as_the_photo_darkens() -> None:
    crop = portrait(BIDEN)[2]
    found = [light(exposed(crop, factor))["UnderExposurePrevention"] for factor in (1, 0.3, 0.1, 0.02)]
    raw = [one.raw for one in found]
    assert raw == sorted(raw)
    assert raw[0] < raw[1] < raw[2]
    assert found[-1].value <= 5


def test_over_exposure_prevention_falls_as_the_photo_brightens() -> None:
    crop = portrait(BIDEN)[2]
    values = [light(exposed(crop, factor))["OverExposurePrevention"].value for factor in (1, 3, 8, 30)]
    assert values == sorted(values, reverse=True)
    assert values[-1] <= 5


def test_dynamic_range_falls_with_the_contrast() -> None:
    crop = portrait(BIDEN)[2].astype(np.float64)
    flat = [(128 + (crop - 128) * part).astype(np.uint8) for part in (1, 0.4, 0.1, 0.0)]
    values = [light(one)["DynamicRange"].value for one in flat]
    assert values == sorted(values, reverse=True)
    assert values[-1] == 0


def test_only_the_face_counts() -> None:
    crop = portrait(BIDEN)[2].copy()
    before = luminance_histogram(crop)
    crop[:35] = 255
    crop[:, :10] = 255
    np.testing.assert_array_equal(luminance_histogram(crop), before)


def test_luminance_is_linear_light() -> None:
    # sRGB 188 is half of the light of 255 (IEC 61966-2-1).
    levels = luminance_histogram(np.full((112, 112, 3), 188, dtype=np.uint8))
    assert int(levels.argmax()) in (127, 128, 129)
