"""OpenCV's own pair of classes for the same two networks that govid's profile fast has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.engines import Decided

DETECTOR, RECOGNIZER = "yunet.onnx", "sface.onnx"


class Engine:
    """FaceDetectorYN and FaceRecognizerSF with their defaults, the largest face, and OpenCV's threshold."""

    setting = "FaceDetectorYN (score 0.9) and FaceRecognizerSF, float32 models, 1 thread; cosine 0.363"

    def __init__(self, models: Path) -> None:
        cv2.setNumThreads(1)
        # Its stubs know nothing of None or of which array it is.
        self._detector: Any = cv2.FaceDetectorYN.create(str(models / DETECTOR), "", (250, 250))
        self._recognizer: Any = cv2.FaceRecognizerSF.create(str(models / RECOGNIZER), "")

    def template(self, photo: bytes) -> NDArray[np.float32] | None:
        picture: Any = cv2.imdecode(np.frombuffer(photo, dtype=np.uint8), cv2.IMREAD_COLOR)
        self._detector.setInputSize((picture.shape[1], picture.shape[0]))
        _, faces = self._detector.detect(picture)
        if faces is None:
            return None
        face = max(faces, key=lambda face: face[2] * face[3])
        # The class hands out its own buffer, which the next call overwrites.
        feature: NDArray[np.float32] = self._recognizer.feature(self._recognizer.alignCrop(picture, face))
        return feature.copy()

    def same(self, reference: NDArray[np.float32], probe: NDArray[np.float32]) -> Decided:
        return bool(self._recognizer.match(reference, probe, cv2.FaceRecognizerSF_FR_COSINE) >= 0.363)
