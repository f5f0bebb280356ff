"""The wire and stored form of an embedding: little-endian float32, checked on the way in."""

from __future__ import annotations

import numpy as np

from govid import _core
from govid.errors import TemplateNotFinite, TemplateWrongLength, TemplateWrongModel, TemplateZeroNorm
from govid.types import Template

_WIRE = np.dtype("<f4")


def pack(template: Template) -> bytes:
    """The embedding as little-endian float32, 4 bytes a value."""
    return template.embedding.astype(_WIRE, copy=False).tobytes()


def unpack(model_id: str, data: bytes, *, active_model_id: str, dimension: int) -> Template:
    """A template from hostile bytes, brought to unit norm.

    Raises:
        TemplateWrongModel: it claims another model than the active one.
        TemplateWrongLength: not exactly ``4 * dimension`` bytes.
        TemplateNotFinite: it holds NaN or infinity, which would read as NON_MATCH in any comparison.
        TemplateZeroNorm: it has no direction.
    """
    if model_id != active_model_id:
        raise TemplateWrongModel(f"the active model is {active_model_id}")
    if len(data) != _WIRE.itemsize * dimension:
        raise TemplateWrongLength(f"{len(data)} bytes, expected {_WIRE.itemsize * dimension}")
    embedding = np.frombuffer(data, dtype=_WIRE).astype(np.float32)
    try:
        return Template(model_id, _core.l2_normalize(embedding))
    except _core.CoreError as error:
        raise (TemplateZeroNorm if error.slug == "zero-norm" else TemplateNotFinite) from None


def trusted(model_id: str, data: bytes) -> Template:
    """A template from the record store, where it was checked before it was written."""
    return Template(model_id, np.frombuffer(data, dtype=_WIRE).astype(np.float32, copy=False))
