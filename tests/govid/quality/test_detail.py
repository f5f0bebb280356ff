from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import PIL.Image
import pytest

from govid.align import align
from govid.quality.detail import compression_artifacts, sharpness
from govid.types import Face, Image
from tests.govid.quality.samples import moved, portrait, scaled
from tests.support import BIDEN, OBAMA, OBAMA_LATER

PHOTOS = pytest.mark.parametrize("photo", [OBAMA, OBAMA_LATER, BIDEN])


def compressed(picture: Image, quality: int) -> Image:
    out = BytesIO()
    PIL.Image.fromarray(picture).save(out, "JPEG", quality=quality)
    return np.asarray(PIL.Image.open(out).convert("RGB")).copy()


def artifacts(picture: Image, face: Face) -> int:
    found = compression_artifacts(picture, face)
    assert found is not None
    return found.value


@PHOTOS
def test_sharpness_falls_as_the_crop_is_blurred(photo: bytes) -> None:
    crop = portrait(photo)[2]
    blurred = [np.asarray(cv2.GaussianBlur(crop, (0, 0), sigma), dtype=np.uint8) for sigma in (1, 2, 3, 5)]
    values = [sharpness(one).value for one in (crop, *blurred)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 95
    assert values[-1] < 25


@PHOTOS
@pytest.mark.parametrize("vertical", [False, True])
def test_a_camera_that_moved_is_not_sharp_whichever_way(photo: bytes, vertical: bool) -> None:
    crop = portrait(photo)[2]
    way = np.full((17, 1) if vertical else (1, 17), 1 / 17)
    moved_crop = np.asarray(cv2.filter2D(crop, -1, way), dtype=np.uint8)
    assert sharpness(moved_crop).value < 55


@PHOTOS
def test_an_enlarged_face_is_not_sharp(photo: bytes) -> None:
    picture, face, crop = portrait(photo)
    tiny, tiny_face = scaled(picture, face, 7 / face.inter_eye_distance)
    assert sharpness(align(tiny, tiny_face.landmarks)).raw < 0.5 * sharpness(crop).raw


def test_sharpness_does_not_depend_on_exposure_much() -> None:
    crop = portrait(BIDEN)[2]
    darker = (crop * 0.6).astype(np.uint8)
    assert sharpness(darker).raw == pytest.approx(sharpness(crop).raw, rel=0.15)


@PHOTOS
def test_compression_artifacts_fall_with_the_jpeg_quality(photo: bytes) -> None:
    picture, face, _ = portrait(photo)
    fine, strong, brutal = (artifacts(compressed(picture, quality), face) for quality in (90, 10, 4))
    assert fine > strong >= brutal
    assert fine > 80
    assert strong < 50


@pytest.mark.parametrize("offset", [(0, 0), (3, 5), (7, 1)])
def test_the_blocks_are_found_wherever_a_cropped_photo_has_them(offset: tuple[int, int]) -> None:
    picture, face, _ = portrait(BIDEN)
    whole = compressed(picture, 10)
    cropped = np.ascontiguousarray(whole[offset[1] :, offset[0] :])
    shifted = moved(face, 1, (-offset[0], -offset[1]))
    assert artifacts(cropped, shifted) == pytest.approx(artifacts(whole, face), abs=5)


def test_a_turned_photo_shows_its_blocks_too() -> None:
    picture, face, _ = portrait(BIDEN)
    side = np.array([*picture.shape[1::-1]], dtype=np.float32)
    box = np.concatenate([side - face.box[:2] - face.box[2:], face.box[2:]]).astype(np.float32)
    turned = np.ascontiguousarray(compressed(picture, 10)[::-1, ::-1])
    upside_down = Face(box, face.landmarks, face.score, face.dense)
    assert artifacts(turned, upside_down) == pytest.approx(artifacts(compressed(picture, 10), face), abs=5)


def test_a_patch_of_a_few_pixels_has_no_answer() -> None:
    picture, face, _ = portrait(BIDEN)
    outside = moved(face, 1, (1e5, 1e5))
    assert compression_artifacts(picture, outside) is None
