from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from govid.align import align
from govid.errors import LowQuality
from govid.geometry import FIVE_POINTS as TEMPLATE
from govid.geometry import similarity

angles = st.floats(-3.1, 3.1)
zooms = st.floats(0.05, 20)
shifts = st.tuples(st.floats(-500, 500), st.floats(-500, 500))


@given(angles, zooms, shifts)
def test_the_similarity_undoes_any_rotation_scale_and_shift(
    angle: float, zoom: float, shift: tuple[float, float]
) -> None:
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = TEMPLATE @ turn.T + shift
    matrix = similarity(moved, TEMPLATE)
    np.testing.assert_allclose(moved @ matrix[:, :2].T + matrix[:, 2], TEMPLATE, atol=1e-6)


def test_a_mirrored_face_is_not_flipped_back() -> None:
    mirrored = TEMPLATE * [-1, 1]
    matrix = similarity(mirrored, TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) > 0


def test_landmarks_at_their_places_leave_the_picture_as_it_is() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (112, 112, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(picture, TEMPLATE.astype(np.float32)), picture)


def test_a_large_photo_is_averaged_and_not_sampled() -> None:
    # A chessboard of single pixels is even grey to an eye at a tenth of the size.
    board = np.indices((1120, 1120)).sum(axis=0) % 2 * 255
    picture = np.repeat(board[:, :, None], 3, axis=2).astype(np.uint8)
    crop = align(picture, (TEMPLATE * 10).astype(np.float32))
    # The outermost pixels lie partly beyond the picture.
    assert np.all(np.abs(crop[2:-2, 2:-2].astype(int) - 127) <= 6)


def test_beyond_the_edge_is_black() -> None:
    picture = np.full((112, 112, 3), 255, dtype=np.uint8)
    crop = align(picture, (TEMPLATE + np.array([80, 0])).astype(np.float32))
    assert crop[:, 0].min() == 255
    assert crop[:, -1].max() == 0


def test_landmarks_that_fall_together_are_no_face() -> None:
    with pytest.raises(LowQuality):
        align(np.zeros((112, 112, 3), dtype=np.uint8), np.full((5, 2), 50, dtype=np.float32))
