"""What is kept of a photo."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from govid.face_region import MAX_SIDE, face_region
from govid.faces import FacePipeline
from govid.types import Face
from tests import support


@pytest.mark.parametrize("photo", [support.OBAMA, support.OBAMA_LATER, support.BIDEN])
def test_a_kept_photo_gives_the_same_template_again(faces: FacePipeline, photo: bytes) -> None:
    sample = faces.sample(photo, keep=True)
    assert sample.region is not None
    again = faces.sample(sample.region)
    assert float(sample.template.embedding @ again.template.embedding) > 0.99
    assert faces.sample(photo).region is None


@pytest.mark.parametrize("turn", [90, 180, 270])
def test_a_photo_that_lies_is_kept_upright(faces: FacePipeline, turn: int) -> None:
    lying = support.encoded(support.opened(support.OBAMA).rotate(turn, expand=True))
    region = faces.sample(lying, keep=True).region
    assert region is not None
    assert faces.sample(region).turned == 0


def test_what_is_kept_is_small_and_of_the_face_alone(faces: FacePipeline) -> None:
    portrait = support.opened(support.OBAMA)
    wide = PIL.Image.new("RGB", (3 * portrait.width, portrait.height), "lime")
    wide.paste(portrait, (2 * portrait.width, 0))
    wide.paste("gray", (portrait.width, 0, 2 * portrait.width, portrait.height))
    region = faces.sample(support.encoded(wide, "JPEG", quality=95), keep=True).region
    assert region is not None
    pixels = np.asarray(support.opened(region)).astype(int)
    assert max(pixels.shape) <= MAX_SIDE
    assert (pixels[..., 1] - pixels[..., 0]).max() < 100  # nothing lime: the far side is not there


@pytest.mark.parametrize(
    "box", [(-500.0, -500, 10, 10), (1e6, 1e6, 5, 5), (0, 0, 64, 48), (60, 40, 30, 30), (3, 3, 0.1, 0.1)]
)
def test_a_box_anywhere_gives_a_picture(box: tuple[float, ...]) -> None:
    picture = np.zeros((48, 64, 3), np.uint8)
    face = Face(np.array(box, np.float32), np.zeros((5, 2), np.float32), 1.0)
    kept = support.opened(face_region(picture, face))
    assert 1 <= min(kept.size) <= max(kept.size) <= 64
