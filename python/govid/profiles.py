"""Profiles: which embedders make a template, and with what weight.

A fused template is the concatenation of its embedders' unit vectors (``embed.py`` makes them), each times the
square root of its weight. One cosine of two such templates is then the weighted sum of the cosines: the 1:1
kernel and the gallery need to know nothing of it. The embedder of ``fast`` is the first part of
``high_assurance``.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from functools import cache, cached_property
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from govid import _core
from govid.config import Settings
from govid.errors import InvalidSettings, PrecisionUnavailable, TemplateImplausible
from govid.models import FR_FEATURE, SFACE, SHARED, ModelSpec, embedder
from govid.quantise import ranges
from govid.types import Embedding, Template

_TOLERANCE = 1e-3
Precision: TypeAlias = Literal["float32", "bfloat16", "int8"]
# One number, or an array of them, and what comparing it gives.
_Numbers: TypeAlias = Any
_Truths: TypeAlias = Any


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One embedder of a profile, and what it multiplies in."""

    model: ModelSpec
    weight: Annotated[float, Meta(gt=0, le=1)] = 1.0
    precision: Precision = "float32"
    ranges: Annotated[str, Meta(description="Mark of the activation ranges of int8")] = ""

    @property
    def mark(self) -> str:
        """What the use of the norm and the precision add to ids; nothing for float32."""
        words = {"float32": "", "bfloat16": "-bfloat16", "int8": f"-int8-{self.ranges}"}
        return self.model.norm_mark + words[self.precision]

    @property
    def model_id(self) -> str:
        """The id of the embeddings: other scores, other id."""
        return self.model.model_id + self.mark

    def at(self, precision: Precision) -> Part:
        """The same embedder multiplying in ``precision``.

        Raises:
            PrecisionUnavailable: int8 for a model without activation ranges.
        """
        mark = ranges.shipped(self.model).mark if precision == "int8" else ""
        return msgspec.structs.replace(self, precision=precision, ranges=mark)

    def gives(self, weight: _Numbers, constant: _Numbers) -> _Truths:
        """Whether a piece of a template may be this part's; of many pieces at once, or of one.

        Args:
            weight: its sum of squares.
            constant: its last value.
        """
        near = abs(weight - self.weight) <= _TOLERANCE
        if not self.model.norm_constant:
            return near
        # Compared without a division: a part may have no length.
        return near & (constant > 0) & (constant <= (self._most + _TOLERANCE) * weight**0.5)

    def fault(self, weight: float) -> TemplateImplausible:
        """What is wrong with a piece of that weight which the part does not give."""
        if not abs(weight - self.weight) <= _TOLERANCE:
            return TemplateImplausible(f"{self.model.name} has a weight of {weight:.3f}, not {self.weight:g}")
        return TemplateImplausible(
            f"{self.model.name}: its constant is no more than {self._most:.3f} of a part"
        )

    @property
    def _most(self) -> float:
        """The part of a piece's length that its constant is at most."""
        return self.model.norm_constant / math.hypot(self.model.norm_constant, self.model.norm_floor)


class Profile(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """How a crop becomes a template. The weights of the parts add up to one."""

    name: str
    parts: tuple[Part, ...]

    @property
    def models(self) -> tuple[ModelSpec, ...]:
        """All models a photo passes, in their order: detector, landmarks, embedders."""
        return (*SHARED, *(part.model for part in self.parts))

    @property
    def dimension(self) -> int:
        """Length of a template."""
        return sum(part.model.template_dimension for part in self.parts)

    @cached_property
    def model_id(self) -> str:
        """What a template is marked with: any change of a model, weight or precision changes it."""
        if len(self.parts) == 1:
            return self.parts[0].model_id
        parts = ";".join(f"{part.model.digest}{part.mark}*{part.weight}" for part in self.parts)
        digest = hashlib.sha256(parts.encode())
        return f"{self.name}-{digest.hexdigest()[:12]}"

    @property
    def decoy(self) -> Template:
        """Nobody's template, compared with where a subject is missing and nobody is to notice."""
        dimension = self.dimension
        return Template(self.model_id, np.full(dimension, dimension**-0.5, dtype=np.float32))

    def check(self, embedding: Embedding) -> None:
        """Refuse a template that no photo gives; ``faults`` for one.

        Args:
            embedding: (dimension,) float32 of unit norm.

        Raises:
            TemplateImplausible: see ``faults``.
        """
        start = 0
        for part in self.parts:
            end = start + part.model.template_dimension
            piece = embedding[start:end].astype(np.float64)
            weight, constant = float(piece.dot(piece)), float(piece[-1])
            if not part.gives(weight, constant):
                raise part.fault(weight)
            start = end

    def faults(self, embeddings: NDArray[np.float32]) -> list[TemplateImplausible | None]:
        """What is wrong with templates that hold more of the constant than any photo gives, or parts out of
        proportion.

        Such a template would look a little like everybody. Any direction is allowed: nobody can tell a face
        from it.

        Args:
            embeddings: (n, dimension) float32 rows of unit norm.

        Returns:
            For each row the error, None for one that its model could have made.
        """
        faults: list[TemplateImplausible | None] = [None] * len(embeddings)
        start = 0
        for part in self.parts:
            end = start + part.model.template_dimension
            pieces = embeddings[:, start:end].astype(np.float64)
            weights = np.einsum("ij,ij->i", pieces, pieces)
            for row in np.flatnonzero(~part.gives(weights, pieces[:, -1])):
                faults[row] = faults[row] or part.fault(weights[row])
            start = end
        return faults


# The weights are one to 0.35 in units of each embedder's spread over strangers. Chosen on LFW View 1 and
# people outside View 2 (docs/accuracy.md); the second embedder alone confuses strangers more often.
HIGH_ASSURANCE = Profile(
    name="high_assurance",
    parts=(Part(model=SFACE, weight=0.76), Part(model=FR_FEATURE, weight=0.24)),
)


@cache
def high_assurance(precision: Precision) -> Profile:
    """The fused profile in a precision.

    Raises:
        PrecisionUnavailable: see ``Part.at``.
    """
    parts = tuple(part.at(precision) for part in HIGH_ASSURANCE.parts)
    return msgspec.structs.replace(HIGH_ASSURANCE, parts=parts)


def named_precision(settings: Settings) -> Precision:
    """The precision of the settings.

    Raises:
        PrecisionUnavailable: they leave it to the records (``auto_precision``), which nobody has asked.
    """
    if settings.precision == "auto":
        raise PrecisionUnavailable("auto: what asks no records needs a precision by its name")
    return settings.precision


def active(settings: Settings) -> tuple[Profile, ...]:
    """The profiles that the settings make available, the one they name first.

    Raises:
        InvalidSettings: the embedder is unknown, or another one is combined with ``high_assurance``.
        PrecisionUnavailable: an embedder cannot multiply in the precision of the settings, or they name none.
    """
    spec, precision = embedder(settings.embedder), named_precision(settings)
    fast = Profile(name="fast", parts=(Part(model=spec).at(precision),))
    if settings.profile == fast.name:
        return (fast,)
    if spec != SFACE:
        raise InvalidSettings(
            "profile high_assurance fuses built-in embedders: leave embedder at its default"
        )
    return (high_assurance(precision), fast)


def models_of(settings: Settings) -> tuple[ModelSpec, ...]:
    """All models that a photo passes under the settings, whatever they multiply in.

    Raises:
        InvalidSettings: see ``active``.
    """
    return active(msgspec.structs.replace(settings, precision="float32"))[0].models


def serves(model_id: str, profile: Profile) -> bool:
    """Whether a template of that model serves the profile, as it is or reduced.

    A fused template begins with the embedding of its first part, so that a reference enrolled with
    ``high_assurance`` serves both profiles.
    """
    if model_id == profile.model_id:
        return True
    if len(profile.parts) > 1 or profile.parts[0].model != SFACE:
        return False
    return model_id == high_assurance(profile.parts[0].precision).model_id


def reduced(template: Template, profile: Profile) -> Template | None:
    """The template as ``profile`` would have made it; None if it cannot be had from this one."""
    if template.model_id == profile.model_id:
        return template
    if not serves(template.model_id, profile):
        return None
    first = np.ascontiguousarray(template.embedding[: profile.dimension])
    return Template(profile.model_id, _core.l2_normalize(first))


def comparable(templates: Iterable[Template], profile: Profile) -> list[Template]:
    """Those of the templates that ``profile`` compares, ``reduced`` to it."""
    return [fitting for template in templates if (fitting := reduced(template, profile))]
