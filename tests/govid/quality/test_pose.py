from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from govid.quality.pose import Pose, head_pose, pose_measures
from tests.govid.quality.samples import head, moved, portrait
from tests.support import OBAMA

turns = st.floats(-45, 45)


@given(turns, st.floats(-30, 30), st.floats(-90, 90))
def test_the_angles_of_a_projected_head_come_back(yaw: float, pitch: float, roll: float) -> None:
    # A camera at arm's length has perspective, which the estimate does not model.
    np.testing.assert_allclose(head_pose(head(yaw, pitch, roll)), (yaw, pitch, roll), atol=5)


@given(turns, st.floats(-30, 30))
def test_five_landmarks_give_the_angles_too(yaw: float, pitch: float) -> None:
    face = replace(head(yaw, pitch, 0), dense=None)
    np.testing.assert_allclose(head_pose(face), (yaw, pitch, 0), atol=2)


@given(st.integers(0, 99), turns, st.floats(-20, 20))
def test_another_persons_head_is_a_few_degrees_off_at_most(seed: int, yaw: float, pitch: float) -> None:
    noise = np.random.default_rng(seed).normal(0, 1.5, (20, 3))
    found = head_pose(head(yaw, pitch, 0, noise=noise))
    np.testing.assert_allclose(found, (yaw, pitch, 0), atol=10)


@given(st.floats(-180, 180))
def test_roll_follows_a_turned_picture_within_two_degrees(angle: float) -> None:
    _, face, _ = portrait(OBAMA)
    assert face.dense is not None
    turn = np.radians(angle)
    matrix = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    before, after = (
        head_pose(face),
        head_pose(replace(face, dense=(face.dense @ matrix.T).astype(np.float32))),
    )
    assert abs((after.roll - before.roll - angle + 180) % 360 - 180) < 2
    assert after.yaw == pytest.approx(before.yaw, abs=0.5)
    assert after.pitch == pytest.approx(before.pitch, abs=0.5)


@given(st.floats(0.1, 20), st.floats(-1000, 1000))
def test_size_and_place_of_the_face_do_not_matter(factor: float, shift: float) -> None:
    face = head(20, 10, 5)
    np.testing.assert_allclose(head_pose(moved(face, factor, (shift, -shift))), head_pose(face), atol=0.1)


def test_a_mirrored_face_looks_the_other_way() -> None:
    there, back = head_pose(head(25, 0, 0)), head_pose(head(-25, 0, 0))
    assert there.yaw == pytest.approx(-back.yaw, abs=0.01)
    assert there.yaw > 20


def test_the_nose_moves_right_when_a_head_turns_to_its_left_and_down_when_it_nods() -> None:
    def nose_from_eyes(yaw: float, pitch: float) -> NDArray[np.float32]:
        five = head(yaw, pitch, 0).landmarks
        return five[2] - five[:2].mean(axis=0)

    assert nose_from_eyes(30, 0)[0] > nose_from_eyes(0, 0)[0] + 5
    assert nose_from_eyes(0, 20)[1] > nose_from_eyes(0, 0)[1] + 5


@pytest.mark.parametrize(("degrees", "value"), [(0, 100), (30, 75), (-45, 50), (60, 25), (90, 0), (-170, 0)])
def test_values_are_those_of_ofiq_up_to_a_profile(degrees: float, value: int) -> None:
    assert {one.value for one in pose_measures(Pose(degrees, degrees, degrees))} == {value}


def test_a_news_portrait_looks_into_the_camera() -> None:
    _, face, _ = portrait(OBAMA)
    pose = head_pose(face)
    assert max(abs(pose.yaw), abs(pose.pitch), abs(pose.roll)) < 15


def test_landmarks_that_fall_together_have_no_pose() -> None:
    face = replace(head(0, 0, 0), dense=np.full((68, 2), 7, dtype=np.float32))
    assert [one.value for one in pose_measures(head_pose(face))] == [0, 0, 0]
