"""What the core counts of a face, held to OpenCV and NumPy on the same numbers."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from govid import _core

STRIDES = (8, 16, 32)
WIDTHS = (1, 1, 4, 10)
seeds = st.integers(0, 2**32 - 1)


def heads_of(rng: np.random.Generator, width: int, height: int) -> list[NDArray[np.float32]]:
    """Outputs of a detector that sees many faces: four kinds, each for three strides."""
    cells = [(height // stride) * (width // stride) for stride in STRIDES]
    return [
        rng.normal(0.5, 0.7, (1, count, numbers)).astype(np.float32) for numbers in WIDTHS for count in cells
    ]


def by_definition(heads: list[NDArray[np.float32]], width: int, height: int) -> NDArray[np.float32]:
    """Faces in pixels of the network's input, before any is left out."""
    cls, obj, bbox, kps = (np.concatenate(heads[3 * kind : 3 * kind + 3], axis=1)[0] for kind in range(4))
    corners, strides = [], []
    for stride in STRIDES:
        rows, columns = np.mgrid[0 : height // stride, 0 : width // stride]
        corners.append(np.stack([columns.ravel(), rows.ravel()], axis=1) * stride)
        strides.append(np.full((rows.size, 1), stride))
    corner, cell = np.concatenate(corners), np.concatenate(strides)
    score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
    size = np.exp(bbox[:, 2:]) * cell
    points = kps.reshape(-1, 5, 2) * cell[:, None] + corner[:, None]
    start = bbox[:, :2] * cell + corner - size / 2
    return np.hstack([score, start, size, points.reshape(-1, 10)]).astype(np.float32)


@given(seeds, st.sampled_from([(32, 32), (96, 64), (192, 160)]), st.floats(0.3, 0.9))
def test_detections_are_those_of_opencv(seed: int, sides: tuple[int, int], min_score: float) -> None:
    heads = heads_of(np.random.default_rng(seed), *sides)
    faces = by_definition(heads, *sides)
    kept = cv2.dnn.NMSBoxes(faces[:, 1:5].tolist(), faces[:, 0].tolist(), min_score, 0.3)
    found = _core.detections(heads, sides, (1.0, 1.0), min_score, 0.3)
    np.testing.assert_allclose(found, faces[np.asarray(kept, dtype=np.intp)], rtol=1e-4, atol=1e-4)


def test_detections_lie_in_pixels_of_the_picture() -> None:
    heads = heads_of(np.random.default_rng(0), 64, 32)
    seen = _core.detections(heads, (64, 32), (1.0, 1.0), 0.5, 1.0)
    found = _core.detections(heads, (64, 32), (2.0, 3.0), 0.5, 1.0)
    stretch = np.array([2, 3], dtype=np.float32)
    np.testing.assert_allclose(
        found[:, 1:3], seen[:, 1:3] * stretch + (stretch - 1) / 2, rtol=1e-5, atol=1e-4
    )
    np.testing.assert_allclose(found[:, 3:5], seen[:, 3:5] * stretch, rtol=1e-5)
    np.testing.assert_allclose(
        found[:, 5:], seen[:, 5:] * np.tile(stretch, 5) + np.tile((stretch - 1) / 2, 5), rtol=1e-5, atol=1e-4
    )


def test_outputs_of_another_shape_are_refused() -> None:
    heads = heads_of(np.random.default_rng(0), 64, 64)
    for wrong in (heads[:-1], [heads[0][:, 1:].copy(), *heads[1:]]):
        with pytest.raises(_core.CoreError, match="heads"):
            _core.detections(wrong, (64, 64), (1.0, 1.0), 0.5, 0.3)
    with pytest.raises(TypeError, match="float32"):
        _core.detections([head.astype(np.float64) for head in heads], (64, 64), (1.0, 1.0), 0.5, 0.3)  # type: ignore[misc]


def test_points_of_another_number_are_refused() -> None:
    points = np.random.default_rng(0).random((5, 2))
    with pytest.raises(_core.CoreError, match="points"):
        _core.similarity(points, points[:4])
    with pytest.raises(_core.CoreError, match="points"):
        _core.similarity(np.ones((5, 2)), points)
    with pytest.raises(_core.CoreError):
        _core.head_pose(points, np.ones((4, 3)), np.ones((3, 4)))
    with pytest.raises(_core.CoreError):
        _core.head_pose(points, np.ones((5, 3)), np.ones((3, 4)))
    assert _core.head_pose(np.ones((5, 2)), np.ones((5, 3)), np.ones((3, 5))) is None


@given(seeds)
def test_luminance_is_counted_as_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (9, 7, 3), dtype=np.uint8)
    parts = rng.uniform(0, 85, (3, 256)).astype(np.float32)
    places = rng.choice(63, 40, replace=False)
    levels = sum(parts[colour][picture[..., colour]] for colour in range(3)).ravel()[places]  # type: ignore[union-attr]
    expected = np.bincount((levels + np.float32(0.5)).astype(np.uint8), minlength=256)
    np.testing.assert_array_equal(_core.luminance_histogram(picture, parts, places), expected)


@given(seeds)
def test_a_blur_takes_away_what_opencv_takes_away(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = cv2.GaussianBlur(rng.integers(0, 256, (40, 31), dtype=np.uint8), (0, 0), rng.uniform(0.5, 4))
    picture = np.asarray(picture, dtype=np.uint8)
    kernel = np.asarray(cv2.getGaussianKernel(13, 2.0, cv2.CV_32F))
    places = rng.choice(picture.size, 300, replace=False)
    grey = picture.astype(np.float32)
    single = np.ones((1, 1), np.float32)
    lost = [grey, *(grey - cv2.sepFilter2D(grey, -1, *axes) for axes in ((kernel, single), (single, kernel)))]
    found = _core.blur_loss(picture, np.ascontiguousarray(kernel[6:, 0]), places)
    np.testing.assert_allclose(found, [one.take(places).std() for one in lost], rtol=1e-3, atol=1e-3)


@given(seeds, st.integers(24, 60), st.integers(24, 60))
def test_steps_at_blocks_are_counted_as_by_hand(seed: int, height: int, width: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)

    def steps(grey: NDArray[np.int64]) -> float:
        profile = np.abs(np.diff(grey, axis=1)).mean(axis=0)
        excess = profile[1:-1] - (profile[:-2] + profile[2:]) / 2
        strongest = max(excess[phase::8].mean() for phase in range(8))
        return float(max(strongest, 0) / (profile.mean() + 1))

    grey = picture.astype(np.int64)
    np.testing.assert_allclose(_core.block_steps(picture), (steps(grey), steps(grey.T)), rtol=1e-9)


def test_a_picture_of_another_kind_is_refused() -> None:
    grey = np.zeros((30, 30), dtype=np.uint8)
    kernel, places = np.ones(3, dtype=np.float32), np.arange(900)
    with pytest.raises(_core.CoreError, match="picture"):
        _core.block_steps(grey[:20])
    with pytest.raises(TypeError, match="C-contiguous"):
        _core.block_steps(grey[:, ::2])
    with pytest.raises(_core.CoreError, match="places"):
        _core.blur_loss(grey, kernel, places + 1)
    with pytest.raises(_core.CoreError, match="picture"):
        _core.blur_loss(grey[:2], kernel, places)
    with pytest.raises(_core.CoreError, match="parts"):
        _core.luminance_histogram(np.zeros((4, 4, 3), np.uint8), np.zeros((2, 256), np.float32), places)
