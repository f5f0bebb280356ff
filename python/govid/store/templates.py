"""Templates as they stand in the table ``reference``: sealed when written, opened and checked when read."""

from __future__ import annotations

import numpy as np

from govid import template as codec
from govid.errors import SealBroken
from govid.types import Template
from govid.vault.vault import SubjectKey, Vault

KIND = "template"
COLUMNS = (
    "reference.reference_id, reference.subject_id, subject_key.key_id, subject_key.wrapped, model_id,"
    " embedding, reference.created_at"
)
"""What ``opened`` takes, of ``reference LEFT JOIN subject_key``: an inner join would hide a lost key."""


def sealed(
    key: SubjectKey, model_id: str, created_at: float, embedding: bytes, nonce: bytes | None = None
) -> bytes:
    """An embedding (little-endian float32) as it is stored. ``nonce``: as for ``SubjectKey.seal``.

    It is bound to its time beside its subject: no old photo can be passed off as a new one.
    """
    return key.seal(KIND, embedding, model_id, float(created_at), nonce=nonce)


def unsealed(key: SubjectKey, model_id: str, created_at: float, stored: bytes) -> bytes:
    """The embedding that was sealed; raises SealBroken."""
    return key.open(KIND, stored, model_id, created_at)


def decoy(vault: Vault) -> tuple[int, str, str, bytes, str, bytes, float]:
    """A row of ``COLUMNS`` that is nobody's: to open it is the work of opening somebody's."""
    ((row, key),) = vault.new_keys([""])
    embedding = np.zeros(512, "<f4")
    embedding[0] = 1
    return 0, "", row.key_id, row.wrapped, "", sealed(key, "", 0.0, embedding.tobytes()), 0.0


def opened(
    vault: Vault,
    reference_id: int,
    subject_id: str,
    key_id: str | None,
    wrapped: bytes | None,
    model_id: str,
    stored: bytes,
    created_at: float,
) -> Template:
    """The template in a row of ``COLUMNS``.

    Raises:
        SealBroken: it is not what was written, or stands where it was not.
        EncryptionKeyMissing: its key is not here.
        StoreUnavailable: it is no template.
    """
    try:
        embedding = unsealed(vault.unwrapped(subject_id, key_id, wrapped), model_id, created_at, stored)
    except SealBroken as error:
        raise SealBroken(f"reference {reference_id}: {error.detail}") from None
    return codec.stored(model_id, embedding, reference_id)
