"""A large photo waits for its turn where somebody bounds what is unpacked, and nowhere else."""

from __future__ import annotations

import PIL.Image
import pytest

from govid import large
from govid.config import Settings
from govid.decode import Decoder
from govid.large import TurnNeeded
from tests.support import encoded

DECODER = Decoder(Settings())
SIDES = {"JPEG": 2200, "PNG": 1900, "WEBP": 1300}
"""Just too large for any time."""


@pytest.mark.parametrize(("kind", "side"), SIDES.items())
def test_a_large_photo_needs_a_turn(kind: str, side: int) -> None:
    photo = encoded(PIL.Image.new("RGB", (side, side), (90, 120, 60)), kind)
    with large.at_most(0):
        with pytest.raises(TurnNeeded) as turn:
            DECODER.decode(photo)
        with large.at_most(turn.value.size):
            assert DECODER.decode(photo).shape == (side, side, 3)
    assert DECODER.decode(photo).shape == (side, side, 3)


@pytest.mark.parametrize(("kind", "side"), SIDES.items())
def test_an_ordinary_photo_needs_none(kind: str, side: int) -> None:
    photo = encoded(PIL.Image.new("RGB", (side * 9 // 10, side * 9 // 10)), kind)
    with large.at_most(0):
        DECODER.decode(photo)
