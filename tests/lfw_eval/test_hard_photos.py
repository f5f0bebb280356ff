"""Turned, small and grey photos of real people are found, and score nearly as the upright original does."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from PIL.Image import Resampling, Transpose

from govid.errors import Refusal
from govid.faces import FacePipeline
from lfw_eval.data import opened
from lfw_eval.embeddings import central_face
from tests.support import LFW

Change = Callable[[PIL.Image.Image], PIL.Image.Image]
PHOTOS = 500


def shrunk(picture: PIL.Image.Image) -> PIL.Image.Image:
    """The face about 40 pixels wide, somewhere in a VGA picture."""
    canvas = PIL.Image.new("RGB", (640, 480), (110, 110, 110))
    small = picture.resize((100, 100), Resampling.LANCZOS)
    canvas.paste(small, (270, 190))
    return canvas


def photographed(picture: PIL.Image.Image) -> PIL.Image.Image:
    """A photo on a grey, unevenly lit page, a little crooked, seen by a camera."""
    page = PIL.Image.new("L", (800, 1100), 235)
    page.paste(picture.convert("L").resize((220, 220)), (80, 90))
    crooked = page.rotate(3, Resampling.BICUBIC, fillcolor=200)
    light = np.linspace(0.75, 1.0, 1100)[:, None]
    return PIL.Image.fromarray((np.asarray(crooked) * light).astype(np.uint8))


# The least share found and the least median cosine with the upright original.
CHANGES: dict[str, tuple[Change, float, float]] = {
    "turned by 90": (lambda p: p.transpose(Transpose.ROTATE_90), 0.995, 0.99),
    "turned by 180": (lambda p: p.transpose(Transpose.ROTATE_180), 0.995, 0.99),
    "turned by 270": (lambda p: p.transpose(Transpose.ROTATE_270), 0.995, 0.99),
    "grey": (lambda p: p.convert("L"), 0.995, 0.9),
    "40 pixel face": (shrunk, 0.99, 0.9),
    "photographed document": (photographed, 0.99, 0.8),
}


@pytest.mark.slow
@pytest.mark.skipif(not (LFW / "pairs.txt").exists(), reason="LFW is not here; set GOVID_LFW_DIR")
def test_hard_photos_are_found_and_still_the_same_person(faces: FacePipeline) -> None:
    data = opened(LFW)
    # People outside View 2 and View 1 alike would be too few; nothing is chosen by this test.
    everyone = [photo for photos in data.people().values() for photo in photos]
    photos = random.Random(3).sample(everyone, PHOTOS)

    def embed(picture: PIL.Image.Image) -> np.ndarray | None:
        file = BytesIO()
        picture.save(file, "JPEG", quality=92)
        try:
            return faces.sample(file.getvalue(), choose=central_face).template.embedding
        except Refusal:
            return None

    def change(photo: Path) -> dict[str, float | None]:
        picture = PIL.Image.open(photo).convert("RGB")
        upright = embed(picture)
        assert upright is not None
        result: dict[str, float | None] = {}
        # Each photo is changed in two of the ways: every way gets a third of the photos.
        for name in random.Random(photo.name).sample(sorted(CHANGES), 2):
            changed = embed(CHANGES[name][0](picture))
            result[name] = None if changed is None else float(changed @ upright)
        return result

    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(change, photos))
    for name, (_, least_found, least_cosine) in CHANGES.items():
        scores = [result[name] for result in results if name in result]
        there = [score for score in scores if score is not None]
        assert len(scores) > PHOTOS / 5
        print(f"{name}: {len(there)} of {len(scores)} found, median cosine {np.median(there):.3f}")
        assert len(there) >= least_found * len(scores), name
        assert np.median(there) >= least_cosine, name
