"""bytes -> template: the stages every operation shares. It holds no records and no policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from govid import models, template
from govid.align import align
from govid.config import Settings
from govid.decode import Decoder
from govid.detect import Detector
from govid.embed import Embedder
from govid.quality import QualityGate
from govid.runtime import OnnxSession, live_isa
from govid.timing import StageClock
from govid.types import Face, Image, Sample, Template

Photo: TypeAlias = bytes | Path
"""An encoded photo, or the path of one. Text is never taken as a path."""


class FacePipeline:
    """bytes -> template: the stages every operation shares, without records."""

    def __init__(self, settings: Settings) -> None:
        """Load, check and warm the models.

        Raises:
            OperatorError: a model is missing, altered or of another shape, or a provider or instruction set
                is not there.
        """
        live_isa()
        self.embedder_spec = models.embedder(settings.embedder)
        self._decoder = Decoder(settings)
        self.detector = Detector(_session(models.YUNET, settings), settings)
        self._quality = QualityGate(settings)
        self._embedder = Embedder(self.embedder_spec, _session(self.embedder_spec, settings))
        self.detector.warm()

    @property
    def model_id(self) -> str:
        """The id every template made here carries."""
        return self._embedder.model_id

    @property
    def dimension(self) -> int:
        """Length of an embedding."""
        return self._embedder.dimension

    @property
    def name(self) -> str:
        """Everything that changes scores besides the embedder: a calibration holds for one such name."""
        return f"{models.YUNET.model_id}/similarity-5-points"

    def sample(
        self,
        photo: Photo,
        clock: StageClock | None = None,
        *,
        choose: Callable[[Image, list[Face]], Face] | None = None,
    ) -> Sample:
        """Make a template from a photo.

        Args:
            photo: an encoded JPEG, PNG or WebP photo, or its path.
            clock: gets the milliseconds by stage.
            choose: picks one of several faces. Evaluation only: the service refuses such photos.

        Raises:
            Refusal: the photo cannot be compared; the subclass says why.
        """
        clock = clock or StageClock()
        with clock.stage("decode"):
            picture = self._decoder.decode(photo.read_bytes() if isinstance(photo, Path) else photo)
        with clock.stage("detect"):
            if choose is None:
                face = self.detector.the_face(picture)
            else:
                face = choose(picture, self.detector.faces(picture))
        with clock.stage("quality"):
            quality = self._quality.assess(face)
        with clock.stage("align"):
            crop = align(picture, face.landmarks)
        with clock.stage("embed"):
            return Sample(self._embedder.embed(crop), face, quality)

    def unpack(self, model_id: str, data: bytes) -> Template:
        """A template from the caller's bytes.

        Raises:
            InvalidTemplate: of another model, of wrong length, not finite, or zero.
        """
        return template.unpack(model_id, data, active_model_id=self.model_id, dimension=self.dimension)


def _session(spec: models.ModelSpec, settings: Settings) -> OnnxSession:
    return OnnxSession(
        spec.name,
        models.verified(spec, settings.models_dir),
        providers=settings.providers,
        threads=settings.inference_threads,
    )
