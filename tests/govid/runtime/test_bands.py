"""YuNet band by band gives the numbers that it gives for the whole picture."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from govid import models
from govid.config import Settings
from govid.runtime import detector_session, onnx_session
from govid.runtime.bands import BandedSession
from tests.support import MODELS

SETTINGS = Settings(data_dir=str(MODELS.parent))
CONTENT = models.verified(models.YUNET, MODELS)


def picture(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(height + width).integers(0, 256, (1, 3, height, width), dtype=np.uint8)


# Less than a band, whole bands, and a last one of a single stride; wide and high.
@pytest.mark.parametrize(
    "sides", [(32, 13_056), (640, 672), (736, 1280), (1280, 352), (1280, 1280), (96, 6400)]
)
def test_bands_change_no_bit(sides: tuple[int, int]) -> None:
    whole = onnx_session("yunet", CONTENT, SETTINGS)
    banded = detector_session("yunet", CONTENT, SETTINGS)
    assert isinstance(banded, BandedSession)
    assert banded.output_names == whole.output_names
    for expected, received in zip(whole.run(picture(*sides)), banded.run(picture(*sides)), strict=True):
        np.testing.assert_array_equal(expected, received)


def test_threads_that_meet_at_the_first_large_picture_get_what_one_gets() -> None:
    banded = detector_session("yunet", CONTENT, SETTINGS)
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: banded.run(picture(640, 672)), range(8)))
    for outputs in together:
        for expected, received in zip(banded.run(picture(640, 672)), outputs, strict=True):
            np.testing.assert_array_equal(expected, received)
