from __future__ import annotations

import math
from dataclasses import replace

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from govid.align import align
from govid.config import Settings
from govid.errors import LowQuality
from govid.quality import QualityGate, measures
from govid.quality.gates import GATES
from govid.types import Face, Image
from tests.govid.quality.samples import NAMES, by_name, portrait, scaled
from tests.support import BIDEN, OBAMA, OBAMA_LATER, encoded, opened

GATE = QualityGate(Settings())

figures = st.one_of(
    st.floats(-1e3, 1e3, width=32), st.sampled_from([0.0, 1e30, -1e30, math.inf, -math.inf, math.nan])
)


@st.composite
def pictures(draw: st.DrawFn) -> Image:
    """Flat, saturated, noisy and tiny ones."""
    height, width = draw(st.integers(1, 80)), draw(st.integers(1, 80))
    kind = draw(st.sampled_from(["black", "white", "grey", "noise", "black and white"]))
    levels = {"black": (0, 1), "white": (255, 256), "grey": (128, 129), "noise": (0, 256)}
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    if kind == "black and white":
        return (generator.integers(0, 2, (height, width, 3)) * 255).astype(np.uint8)
    return generator.integers(*levels[kind], (height, width, 3)).astype(np.uint8)


@st.composite
def hostile_faces(draw: st.DrawFn) -> Face:
    def points(count: int) -> NDArray[np.float32]:
        some = draw(st.lists(figures, min_size=1, max_size=8))
        return np.resize(np.array(some, dtype=np.float32), (count, 2))

    dense = points(68) if draw(st.booleans()) else None
    return Face(points(2).ravel(), points(5), draw(st.floats(0, 1)), dense)


@given(pictures(), hostile_faces(), pictures())
def test_values_stay_in_range_and_finite_for_anything(picture: Image, face: Face, crop: Image) -> None:
    crop = np.asarray(cv2.resize(crop, (112, 112)), dtype=np.uint8)
    found = measures(picture, face, crop)
    assert {one.name for one in found} <= NAMES
    for one in found:
        assert 0 <= one.value <= 100
        assert math.isfinite(one.raw)


@pytest.mark.parametrize("photo", [OBAMA, OBAMA_LATER, BIDEN])
def test_a_good_portrait_passes_and_shows_every_measure_once(photo: bytes) -> None:
    found = GATE.assess(*portrait(photo))
    assert {one.name for one in found} == NAMES
    assert len(found) == len(NAMES)
    assert {one.name: one.threshold for one in found if one.threshold is not None} == GATES


def test_without_dense_landmarks_their_measures_are_left_out() -> None:
    picture, face, crop = portrait(OBAMA)
    found = {one.name for one in GATE.assess(picture, replace(face, dense=None), crop)}
    assert found == NAMES - {"HeadSize", "EyesOpen", "MouthClosed"}


def test_other_faces_are_seen() -> None:
    picture, face, crop = portrait(OBAMA)
    other = replace(face, box=(face.box * 0.4).astype(np.float32))
    found = {one.name: one.value for one in GATE.assess(picture, face, crop, others=[other])}
    assert found["SingleFacePresent"] == 60


@pytest.mark.parametrize("size", [10.0, math.nan, 0.0])
def test_a_face_of_a_few_pixels_is_refused(size: float) -> None:
    picture, face, crop = portrait(OBAMA)
    tiny = replace(face, box=np.array([10, 10, size, size], dtype=np.float32))
    with pytest.raises(LowQuality, match="at least 24"):
        GATE.assess(picture, tiny, crop)


def test_a_blurred_photo_is_refused_by_name_with_value_and_threshold() -> None:
    picture, face, _ = portrait(OBAMA)
    sigma = 0.2 * face.inter_eye_distance
    blurred = np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma), dtype=np.uint8)
    threshold = GATES["Sharpness"]
    with pytest.raises(LowQuality, match=rf"^Sharpness is \d+ of 100 .* at least {threshold}$"):
        GATE.assess(blurred, face, align(blurred, face.landmarks))


def test_a_photo_bleached_by_light_is_refused_by_name() -> None:
    picture, face, _ = portrait(BIDEN)
    bleached = np.clip(picture.astype(np.int64) * 4 + 120, 0, 255).astype(np.uint8)
    with pytest.raises(LowQuality, match=r"^OverExposurePrevention is"):
        GATE.assess(bleached, face, align(bleached, face.landmarks))


def test_a_photo_compressed_to_blocks_is_refused_by_name() -> None:
    picture, face, _ = portrait(BIDEN)
    small, small_face = scaled(picture, face, 40 / face.inter_eye_distance)
    blocks = opened(encoded(PIL.Image.fromarray(small), "JPEG", quality=1))
    with pytest.raises(LowQuality, match=r"^CompressionArtifacts is"):
        GATE.assess(np.asarray(blocks).copy(), small_face, align(small, small_face.landmarks))


def test_a_dark_photo_is_not_refused() -> None:
    # Dark photos still match (see quality/gates.py), and a dark face must not need a bright lamp.
    picture, face, _ = portrait(OBAMA)
    dark = (picture * 0.25).astype(np.uint8)
    found = {one.name: one for one in GATE.assess(dark, face, align(dark, face.landmarks))}
    assert found["UnderExposurePrevention"].value < 20


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_the_size_of_a_large_photo_changes_little_but_the_distance_of_the_eyes(factor: float) -> None:
    picture, face, _ = portrait(BIDEN)
    before, after = by_name(picture, face), by_name(*scaled(picture, face, factor))
    for name in NAMES - {"InterEyeDistance", "CompressionArtifacts"}:
        assert after[name].value == pytest.approx(before[name].value, abs=6), name
    assert after["InterEyeDistance"].raw == pytest.approx(before["InterEyeDistance"].raw * factor, rel=0.01)
