"""Activation ranges of an embedder: the few numbers that int8 needs besides the model itself.

They were measured on photos (``scripts/quantise.py``) and ship with the package, in ``govid/ranges``.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib import resources
from typing import Annotated, NamedTuple

import msgspec
from msgspec import Meta

from govid.errors import PrecisionUnavailable
from govid.models import Digest, ModelSpec

Range = Annotated[
    tuple[float, float], Meta(description="Least and greatest value of a tensor; beyond it values are cut")
]


class Ranges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to quantise in one model, with the evidence. Everything else stays float32."""

    model_id: str
    model_digest: Digest
    data_set: str
    photos: Annotated[int, Meta(ge=1, description="Photos the ranges were measured on")]
    photos_digest: Annotated[Digest, Meta(description="SHA-256 over the names and digests of the photos")]
    method: Annotated[str, Meta(description="How the ranges were read off, in words")]
    created: str
    weight_levels: Annotated[
        int,
        Meta(ge=1, le=127, description="Greatest level of a weight; see quantise/graph.py for its reason"),
    ]
    inputs: Annotated[
        dict[str, Range], Meta(description="By the tensor: each convolution or matrix that reads it is int8")
    ]


class Shipped(NamedTuple):
    """Ranges with the name templates carry."""

    ranges: Ranges
    mark: str
    """Eight hexadecimal digits of the SHA-256 of the numbers: others never share a template's id."""


@cache
def shipped(spec: ModelSpec) -> Shipped:
    """The ranges of a model.

    Raises:
        PrecisionUnavailable: there are none, or they belong to another state of the model.
    """
    file = resources.files("govid") / "ranges" / f"{spec.name}-{spec.version}.json"
    if not file.is_file():
        raise PrecisionUnavailable(f"int8: {spec.name} has no activation ranges")
    ranges = msgspec.json.decode(file.read_bytes(), type=Ranges)
    if ranges.model_digest != spec.digest:
        raise PrecisionUnavailable(
            f"int8: the activation ranges are those of {ranges.model_id}, the model is {spec.model_id}"
        )
    numbers = msgspec.json.encode((ranges.weight_levels, ranges.inputs), order="sorted")
    return Shipped(ranges, hashlib.sha256(numbers).hexdigest()[:8])
