"""dlib, as the package face_recognition uses it."""

from __future__ import annotations

import io

import numpy as np
import PIL.Image
from numpy.typing import NDArray

from benchmarks.engines import Decided
from benchmarks.peers import folder_of, peer


class Engine:
    """What face_recognition does by default, with dlib called directly: that package no longer imports.

    It asks for pkg_resources, which setuptools has given up. Its models are read as files.
    """

    setting = (
        "HOG detector, enlarged once, 5 landmarks, ResNet, as face_recognition does; 1 thread; distance 0.6"
    )

    def __init__(self) -> None:
        dlib = peer("dlib")
        models = folder_of("face_recognition_models") / "models"
        self._detect = dlib.get_frontal_face_detector()
        self._landmarks = dlib.shape_predictor(str(models / "shape_predictor_5_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(
            str(models / "dlib_face_recognition_resnet_model_v1.dat")
        )

    def template(self, photo: bytes) -> NDArray[np.float64] | None:
        picture = np.asarray(PIL.Image.open(io.BytesIO(photo)).convert("RGB"))
        faces = self._detect(picture, 1)
        if not faces:
            return None
        face = max(faces, key=lambda face: face.area())
        return np.array(self._network.compute_face_descriptor(picture, self._landmarks(picture, face), 1))

    def same(self, reference: NDArray[np.float64], probe: NDArray[np.float64]) -> Decided:
        return bool(np.linalg.norm(reference - probe) <= 0.6)
