"""The wire and stored form of an embedding: little-endian float32, checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from govid import _core
from govid.errors import (
    StoreUnavailable,
    TemplateNotFinite,
    TemplateWrongLength,
    TemplateWrongModel,
    TemplateZeroNorm,
)
from govid.types import Template

_WIRE = np.dtype("<f4")
_UNIT_TOLERANCE = 1e-3


def pack(template: Template) -> bytes:
    """The embedding as little-endian float32, 4 bytes a value."""
    return template.embedding.astype(_WIRE, copy=False).tobytes()


def unpack(model_id: str, data: bytes, dimensions: Mapping[str, int]) -> Template:
    """A template from hostile bytes, brought to unit norm.

    Args:
        dimensions: length of a template by each model id that is active.

    Raises:
        TemplateWrongModel: it claims a model that is not active.
        TemplateWrongLength: not exactly ``4 * dimension`` bytes.
        TemplateNotFinite: it holds NaN or infinity, which would read as NON_MATCH in any comparison.
        TemplateZeroNorm: it has no direction.
    """
    dimension = dimensions.get(model_id)
    if dimension is None:
        raise TemplateWrongModel(f"active is {', '.join(dimensions)}")
    if len(data) != _WIRE.itemsize * dimension:
        raise TemplateWrongLength(f"{len(data)} bytes, expected {_WIRE.itemsize * dimension}")
    embedding = np.frombuffer(data, dtype=_WIRE).astype(np.float32)
    try:
        return Template(model_id, _core.l2_normalize(embedding))
    except _core.CoreError as error:
        raise (TemplateZeroNorm if error.slug == "zero-norm" else TemplateNotFinite) from None


def stored(model_id: str, data: bytes, reference_id: int) -> Template:
    """A template from the record store.

    Raises:
        StoreUnavailable: it is no unit vector, so not what was written: disk or hand damaged it.
    """
    if len(data) % _WIRE.itemsize == 0:
        embedding = np.frombuffer(data, dtype=_WIRE).astype(np.float32, copy=False)
        # NaN fails the comparison, too.
        if abs(float(embedding @ embedding) - 1) < _UNIT_TOLERANCE:
            return Template(model_id, embedding)
    raise StoreUnavailable(f"the template of reference {reference_id} is damaged: restore it from a backup")
