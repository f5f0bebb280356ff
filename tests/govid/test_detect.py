from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

from govid.config import Settings
from govid.decode import Decoder
from govid.errors import FaceNotDetected, MultipleFaces
from govid.faces import FacePipeline
from govid.types import Face, Image
from tests.support import BIDEN, OBAMA, opened

PORTRAIT = Decoder(Settings()).decode(OBAMA)


def the_face(faces: FacePipeline, picture: Image) -> Face:
    return faces.detector.the_face(faces.detector.faces(picture))


def paste(*portraits: tuple[bytes, int, tuple[int, int]]) -> Image:
    """Portraits of a given width on a grey canvas."""
    canvas = PIL.Image.new("RGB", (1200, 800), (128, 128, 128))
    for photo, width, place in portraits:
        picture = opened(photo)
        canvas.paste(picture.resize((width, round(picture.height * width / picture.width))), place)
    return np.asarray(canvas).copy()


def test_the_landmarks_lie_where_a_person_sees_them(faces: FacePipeline) -> None:
    face = the_face(faces, PORTRAIT)
    right_eye, left_eye, nose, right_mouth, left_mouth = face.landmarks
    assert right_eye[0] < nose[0] < left_eye[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert right_mouth[0] < left_mouth[0]
    assert face.score > 0.8


def test_scale_and_place_of_the_face_follow_the_picture(faces: FacePipeline) -> None:
    whole = the_face(faces, PORTRAIT)
    half = the_face(faces, np.ascontiguousarray(PORTRAIT[::2, ::2]))
    np.testing.assert_allclose(half.landmarks * 2, whole.landmarks, atol=0.06 * whole.inter_eye_distance)


@pytest.mark.parametrize("width", [60, 100, 300, 900])
def test_small_and_large_faces_are_found(faces: FacePipeline, width: int) -> None:
    face = the_face(faces, paste((OBAMA, width, (150, 40))))
    assert 150 < face.landmarks[2][0] < 150 + width


def test_a_picture_without_a_face_is_refused(faces: FacePipeline) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    for picture in (noise, np.zeros((480, 640, 3), dtype=np.uint8)):
        with pytest.raises(FaceNotDetected):
            the_face(faces, picture)


def test_two_faces_of_comparable_size_are_refused(faces: FacePipeline) -> None:
    with pytest.raises(MultipleFaces, match="2 faces"):
        the_face(faces, paste((OBAMA, 400, (50, 50)), (BIDEN, 260, (700, 50))))


def test_a_passer_by_far_behind_is_not_the_subject(faces: FacePipeline) -> None:
    picture = paste((OBAMA, 500, (50, 50)), (BIDEN, 150, (900, 100)))
    assert len(faces.detector.faces(picture)) == 2
    assert the_face(faces, picture).landmarks[2][0] < 600


@pytest.mark.parametrize("turns", range(4))
def test_a_photo_on_its_side_is_turned_upright(faces: FacePipeline, turns: int) -> None:
    lying = np.ascontiguousarray(np.rot90(PORTRAIT, -turns))
    found_turns, turned, found = faces.detector.search(lying)
    assert found_turns == turns
    np.testing.assert_array_equal(turned, PORTRAIT)
    np.testing.assert_allclose(found[0].landmarks, the_face(faces, PORTRAIT).landmarks, atol=2)


def test_a_search_of_nothing_finds_nothing(faces: FacePipeline) -> None:
    turns, _, found = faces.detector.search(np.zeros((480, 640, 3), dtype=np.uint8))
    assert (turns, found) == (0, [])


def test_two_small_people_in_a_large_photo_are_not_taken_for_one(faces: FacePipeline) -> None:
    picture = paste((OBAMA, 120, (200, 300)), (BIDEN, 130, (800, 250)))
    with pytest.raises(MultipleFaces):
        the_face(faces, picture)
