from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from govid.quality.shape import (
    INNER_LIPS,
    LEFT_LIDS,
    RIGHT_LIDS,
    eyes_open,
    head_size,
    inter_eye_distance,
    mouth_closed,
    single_face_present,
)
from govid.types import Face
from tests.govid.quality.samples import head, moved, portrait
from tests.support import OBAMA


def dense() -> NDArray[np.float32]:
    face = portrait(OBAMA)[1]
    assert face.dense is not None
    return face.dense.copy()


def opened(
    points: NDArray[np.float32], pairs: tuple[list[int], list[int]], part: float
) -> NDArray[np.float32]:
    """Upper and lower points moved apart (part > 1) or together."""
    points = points.copy()
    middle = (points[pairs[0]] + points[pairs[1]]) / 2
    for side in pairs:
        points[side] = middle + (points[side] - middle) * part
    return points


def test_eyes_open_falls_as_the_lids_close() -> None:
    raw = [eyes_open(opened(opened(dense(), RIGHT_LIDS, p), LEFT_LIDS, p)).raw for p in (1.0, 0.6, 0.3, 0.0)]
    assert raw == sorted(raw, reverse=True)
    assert eyes_open(dense()).value > 80
    assert eyes_open(opened(dense(), LEFT_LIDS, 0.0)).value < 15


def test_one_closed_eye_counts() -> None:
    assert (
        eyes_open(opened(dense(), RIGHT_LIDS, 0.0)).value == eyes_open(opened(dense(), LEFT_LIDS, 0.0)).value
    )


def test_mouth_closed_falls_as_the_lips_part() -> None:
    closed = opened(dense(), INNER_LIPS, 0.0)
    assert mouth_closed(closed).value == 97
    lips = [62, 66]
    values = []
    for gap in (0.05, 0.15, 0.25, 0.4):
        points = closed.copy()
        points[lips[1]] += [0, gap * 1.2 * float(np.ptp(points[[27, 8], 1]))]
        values.append(mouth_closed(points).value)
    assert values == sorted(values, reverse=True)
    assert values[-1] < 5


@pytest.mark.parametrize("factor", [0.1, 0.5, 3])
def test_lids_and_lips_do_not_depend_on_the_size_of_the_photo(factor: float) -> None:
    small = (dense() * factor).astype(np.float32)
    assert eyes_open(small).raw == pytest.approx(eyes_open(dense()).raw, abs=1e-3)
    assert mouth_closed(small).raw == pytest.approx(mouth_closed(dense()).raw, abs=1e-3)


def test_head_size_is_best_at_a_passport_photo() -> None:
    face_length = head_size(dense(), 1000).raw * 1000
    best = head_size(dense(), round(face_length / 0.45))
    assert best.value >= 98
    assert head_size(dense(), round(face_length / 0.30)).value < best.value
    assert head_size(dense(), round(face_length / 0.60)).value < best.value


def test_inter_eye_distance_follows_ofiq() -> None:
    face = moved(portrait(OBAMA)[1], 70 / portrait(OBAMA)[1].inter_eye_distance)
    assert inter_eye_distance(face, 0).value == 50
    assert inter_eye_distance(moved(face, 90 / 70), 0).value == 73


def test_a_turned_head_has_the_distance_it_would_have_from_the_front() -> None:
    frontal, turned = head(0, 0, 0), head(40, 0, 0)
    assert turned.inter_eye_distance < 0.85 * frontal.inter_eye_distance
    assert inter_eye_distance(turned, 40).raw == pytest.approx(frontal.inter_eye_distance, rel=0.05)


def test_single_face_present_falls_with_the_size_of_the_other_face() -> None:
    face = portrait(OBAMA)[1]

    def value(*sizes: float) -> int:
        others: list[Face] = [replace(face, box=(face.box * size).astype(np.float32)) for size in sizes]
        return single_face_present(face, others).value

    assert value() == 100
    assert value(0.25) == 75
    assert value(0.25, 0.5) == 50
    assert value(1.0) == value(3.0) == 0
