from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from govid.config import Settings
from govid.decode import Decoder
from govid.errors import ModelUnusable
from govid.faces import FacePipeline
from govid.landmarks import _MIRRORED, STEADY, LandmarkFinder, five_of_68
from govid.types import Face
from tests.support import BIDEN, OBAMA, OBAMA_LATER

DECODER = Decoder(Settings())


def found(faces: FacePipeline, photo: bytes) -> tuple[np.ndarray, Face]:
    picture = DECODER.decode(photo)
    return picture, faces.detector.the_face(faces.detector.faces(picture))


@pytest.mark.parametrize("photo", [OBAMA, OBAMA_LATER, BIDEN], ids=["2012", "2009", "biden"])
def test_two_looks_agree_on_a_face(faces: FacePipeline, photo: bytes) -> None:
    picture, face = found(faces, photo)
    refined, difference = faces.landmarks.refine(picture, face)
    assert difference < STEADY / 4
    assert refined.dense is not None
    assert refined.dense.shape == (68, 2)
    # Near what the detector saw, within a fifth of the distance of the eyes.
    assert np.abs(refined.landmarks - face.landmarks).max() < 0.2 * face.inter_eye_distance


def test_a_mirrored_photo_gives_mirrored_landmarks(faces: FacePipeline) -> None:
    picture, face = found(faces, OBAMA)
    straight = faces.landmarks.refine(picture, face)[0].landmarks
    mirrored_picture = np.ascontiguousarray(picture[:, ::-1])
    mirrored_face = faces.detector.the_face(faces.detector.faces(mirrored_picture))
    mirrored = faces.landmarks.refine(mirrored_picture, mirrored_face)[0].landmarks
    back = mirrored[[1, 0, 2, 4, 3]] * [-1, 1] + [picture.shape[1] - 1, 0]
    # Pixels of the 112 crop, in which the eyes are 35 apart.
    assert np.abs(back - straight).max() * 35 / face.inter_eye_distance < 1


def test_the_landmarks_forgive_a_poor_start(faces: FacePipeline) -> None:
    picture, face = found(faces, OBAMA)
    exact = faces.landmarks.refine(picture, face)[0].landmarks
    shift = 0.1 * face.inter_eye_distance
    poor = Face(face.box, face.landmarks + np.float32(shift), face.score)
    again = faces.landmarks.refine(picture, poor)[0].landmarks
    assert np.abs(again - exact).max() < shift / 3


def test_a_large_photo_gives_the_same_landmarks_as_a_small_one(faces: FacePipeline) -> None:
    picture, face = found(faces, OBAMA)
    large = np.asarray(PIL.Image.fromarray(picture).resize((3640, 4548), PIL.Image.Resampling.BICUBIC))
    large_face = faces.detector.the_face(faces.detector.faces(large))
    small_marks = faces.landmarks.refine(picture, face)[0].landmarks
    large_marks = faces.landmarks.refine(large, large_face)[0].landmarks
    assert np.abs(large_marks / 4 - small_marks).max() < 0.05 * face.inter_eye_distance


def test_the_five_points_are_centres_of_eyes_and_corners_of_the_mouth() -> None:
    dense = np.stack([np.arange(68.0), np.zeros(68)], axis=1)
    np.testing.assert_allclose(five_of_68(dense)[:, 0], [39, 45, 30, 54, 59])


def test_mirroring_twice_changes_no_point() -> None:
    np.testing.assert_array_equal(_MIRRORED[_MIRRORED], np.arange(68))


def test_a_model_that_is_no_landmark_finder_is_refused(faces: FacePipeline) -> None:
    class Wrong:
        input_shape = (1, 1, 64, 64)
        output_names = ("out",)

        def run(self, tensor: np.ndarray) -> list[np.ndarray]:
            return [np.zeros((1, 10), dtype=np.float32)]

    with pytest.raises(ModelUnusable):
        LandmarkFinder(Wrong())
