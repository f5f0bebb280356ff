"""bytes -> template: the stages every operation shares. It holds no records and no policy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from govid import models, precision, profiles, template
from govid.align import align
from govid.config import Settings
from govid.decode import Decoder
from govid.detect import SURE, Detector
from govid.embed import Embedder, Network
from govid.errors import PhotoUnreadable
from govid.face_region import face_region
from govid.landmarks import STEADY, LandmarkFinder
from govid.quality import QualityGate
from govid.quantise import ranges
from govid.runtime import detector_session, embedder_session, live_isa, onnx_session
from govid.timing import StageClock
from govid.types import Face, Image, InferenceSession, Sample, Template

# Changed by hand with every change of detection, landmarks or alignment that moves scores (the golden
# templates notice one): a calibration made before is then refused.
ALIGNMENT = "2-looks-mirrored-cubic-halved"
PIPELINE = f"{models.YUNET.model_id}/{models.FR_LANDMARK.model_id}/{ALIGNMENT}"
"""Everything that changes scores besides the embedder: a calibration holds for one such name."""

Photo: TypeAlias = bytes | Path
"""An encoded photo, or the path of one. Text is never taken as a path."""

Choose: TypeAlias = Callable[[Image, list[Face]], Face]
"""Picks the face a comparison is about, or raises a refusal."""


class FacePipeline:
    """bytes -> template: the stages every operation shares, without records."""

    def __init__(self, settings: Settings) -> None:
        """Load, check and warm the models of the active profile.

        Raises:
            OperatorError: a model is missing, altered or of another shape, or a provider, runtime, precision
                or instruction set is not there.
        """
        live_isa()
        precision.check(settings)
        self.settings = settings
        available = profiles.active(settings)
        self.profile = available[0]
        self.profiles = {profile.name: profile for profile in available}
        self._by_model = {profile.model_id: profile for profile in available}
        self._dimensions = {profile.model_id: profile.dimension for profile in available}
        self.models = self.profile.models
        self._decoder = Decoder(settings)
        self.detector = Detector(_session(models.YUNET, settings, detector_session), settings)
        self.landmarks = LandmarkFinder(_session(models.FR_LANDMARK, settings, onnx_session))
        self._quality = QualityGate(settings)
        self._embedder = load_embedder(self.profile, settings)
        self.detector.warm()

    @property
    def model_id(self) -> str:
        """The id that templates of the profile of the settings carry."""
        return self.profile.model_id

    @property
    def dimension(self) -> int:
        """Length of a template of that profile."""
        return self.profile.dimension

    @property
    def name(self) -> str:
        """``PIPELINE``."""
        return PIPELINE

    def sample(
        self,
        photo: Photo,
        clock: StageClock | None = None,
        *,
        profile: profiles.Profile | None = None,
        choose: Choose | None = None,
        second_face_ratio: float | None = None,
        keep: bool = False,
    ) -> Sample:
        """Make a template from a photo.

        Args:
            photo: an encoded JPEG, PNG or WebP photo, or its path.
            clock: gets the milliseconds by stage.
            profile: one of ``profiles``; the one the settings name if left out.
            choose: picks one of several faces. Evaluation only: the service refuses such photos.
            second_face_ratio: see ``Detector.the_face``.
            keep: cut out what may be kept of the photo, too.

        Raises:
            Refusal: the photo cannot be compared; the subclass says why.
        """
        clock = clock or StageClock()
        with clock.stage("decode"):
            picture = self._decoder.decode(read_photo(photo) if isinstance(photo, Path) else photo)
        choose = choose or (lambda _, faces: self.detector.the_face(faces, second_face_ratio))
        picture, face, others, turns = self._find(picture, choose, clock)
        with clock.stage("align"):
            crop = align(picture, face.landmarks)
        with clock.stage("quality"):
            quality = self._quality.assess(picture, face, crop, others=others)
        with clock.stage("embed"):
            made = self._embedder.embed(crop, profile or self.profile)
        region = None
        if keep:
            with clock.stage("keep"):
                region = face_region(picture, face)
        return Sample(made, face, quality, turned=90 * turns, region=region, crop=crop)

    def _find(self, picture: Image, choose: Choose, clock: StageClock) -> tuple[Image, Face, list[Face], int]:
        """The picture turned so that its face stands upright, that face, the others, and the turns made."""
        with clock.stage("detect"):
            faces = self.detector.faces(picture)
        if faces and faces[0].score >= SURE:
            face = choose(picture, faces)
            with clock.stage("landmarks"):
                refined, unsteadiness = self.landmarks.refine(picture, face)
            if unsteadiness <= STEADY:
                return picture, refined, [other for other in faces if other is not face], 0
        with clock.stage("detect"):
            turns, picture, faces = self.detector.search(picture)
        face = choose(picture, faces)
        with clock.stage("landmarks"):
            refined, _ = self.landmarks.refine(picture, face)
        return picture, refined, [other for other in faces if other is not face], turns

    def unpack(self, model_id: str, data: bytes) -> Template:
        """A template from the caller's bytes, of any available profile.

        Raises:
            InvalidTemplate: of another model, of wrong length, not finite, zero, or one that no photo gives.
        """
        made = template.unpack(model_id, data, self._dimensions)
        self._by_model[model_id].check(made.embedding)
        return made


def load_embedder(profile: profiles.Profile, settings: Settings) -> Embedder:
    """The networks of a profile.

    Raises:
        OperatorError: a model is missing, altered or of another shape.
    """
    return Embedder({part.model_id: Network(part.model, _embedder(part, settings)) for part in profile.parts})


def read_photo(path: Path) -> bytes:
    """The photo file at a path the caller of the Python interface gives.

    Raises:
        PhotoUnreadable: it cannot be opened.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise PhotoUnreadable(error.strerror or "") from None


def _session(
    spec: models.ModelSpec, settings: Settings, load: Callable[[str, bytes, Settings], InferenceSession]
) -> InferenceSession:
    return load(spec.name, models.verified(spec, settings.models_dir), settings)


def _embedder(part: profiles.Part, settings: Settings) -> InferenceSession:
    content = models.verified(part.model, settings.models_dir)
    if part.precision == "int8":
        from govid.quantise.graph import quantised  # noqa: PLC0415 - onnx costs a tenth of a second

        content = quantised(content, ranges.shipped(part.model).ranges)
    return embedder_session(part.model.name, content, settings)
