"""The wire and stored form of an embedding: little-endian float32, checked on the way in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.errors import (
    InvalidTemplate,
    StoreUnavailable,
    TemplateNotFinite,
    TemplateWrongLength,
    TemplateWrongModel,
    TemplateZeroNorm,
)
from govid.types import Template

_WIRE = np.dtype("<f4")
_UNIT_TOLERANCE = 1e-3
_FAULTS: Mapping[str, type[InvalidTemplate]] = {
    "non-finite": TemplateNotFinite,
    "zero-norm": TemplateZeroNorm,
}


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
    if (fault := _wrong_length(data, dimension)) is not None:
        raise fault
    # Not by ``unpack_many``: for one template numpy's way through arrays is most of the time.
    embedding = np.frombuffer(data, dtype=_WIRE).astype(np.float32)
    try:
        return Template(model_id, _core.l2_normalize(embedding))
    except _core.CoreError as error:
        if error.slug not in _FAULTS:
            raise
        raise _FAULTS[error.slug] from None


def unpack_many(
    data: Sequence[bytes], dimension: int
) -> tuple[NDArray[np.float32], list[InvalidTemplate | None]]:
    """Embeddings from hostile bytes, brought to unit norm many at a time.

    Args:
        data: one template each, of which ``4 * dimension`` bytes are right.

    Returns:
        (n, dimension) float32 rows of unit norm, and for each row what is wrong with it: TemplateWrongLength,
        TemplateNotFinite or TemplateZeroNorm, or None. A row with a fault is zero.
    """
    size = _WIRE.itemsize * dimension
    faults: list[InvalidTemplate | None] = [_wrong_length(one, dimension) for one in data]
    joined = b"".join(bytes(size) if fault else one for one, fault in zip(data, faults, strict=True))
    rows = np.frombuffer(joined, dtype=_WIRE).reshape(len(data), dimension).astype(np.float32)
    finite = np.asarray(np.isfinite(rows).all(axis=1))
    with np.errstate(invalid="ignore"):  # a signalling NaN would raise the processor's flag, and a warning
        good = finite & rows.any(axis=1)
    for row in np.flatnonzero(~good):
        faults[row] = faults[row] or (TemplateZeroNorm() if finite[row] else TemplateNotFinite())
    rows[~good] = 0
    rows[good] = _core.l2_normalize(rows[good])
    return rows, faults


def stored(model_id: str, data: bytes, reference_id: int) -> Template:
    """A template from the record store.

    Raises:
        StoreUnavailable: it is no unit vector, so not what was written: disk or hand damaged it.
    """
    if len(data) % _WIRE.itemsize == 0:
        embedding = np.frombuffer(data, dtype=_WIRE).astype(np.float32, copy=False)
        # NaN fails the comparison, too.
        if abs(float(embedding.dot(embedding)) - 1) < _UNIT_TOLERANCE:
            return Template(model_id, embedding)
    raise _damaged(reference_id)


def stored_many(packed: Sequence[bytes], dimension: int, reference_ids: Sequence[int]) -> NDArray[np.float32]:
    """``stored`` of many templates of one model at once: (n, dimension) float32.

    Raises:
        StoreUnavailable: one is not what was written.
    """
    rows = np.empty((len(packed), dimension), dtype=np.float32)
    sound = np.array([len(data) == dimension * _WIRE.itemsize for data in packed], dtype=bool)
    if sound.all():
        rows[:] = np.frombuffer(b"".join(packed), dtype=_WIRE).reshape(rows.shape)
        with np.errstate(all="ignore"):
            sound = np.abs(np.einsum("ij,ij->i", rows, rows) - 1) < _UNIT_TOLERANCE
    if not sound.all():
        raise _damaged(reference_ids[int(np.argmin(sound))])
    return rows


def _wrong_length(data: bytes, dimension: int) -> TemplateWrongLength | None:
    size = _WIRE.itemsize * dimension
    return None if len(data) == size else TemplateWrongLength(f"{len(data)} bytes, expected {size}")


def _damaged(reference_id: int) -> StoreUnavailable:
    return StoreUnavailable(f"the template of reference {reference_id} is damaged: restore it from a backup")
