"""Photos of references, where the policy lets one be kept: each until its time, gone with its reference."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from govid.errors import PhotoNotKept
from govid.store.database import MAX_INTEGER, Connection, Database, Row

if TYPE_CHECKING:
    from govid.vault.vault import Vault

KIND = "photo"
"""What sealed data is of, for the vault: a template's cannot be passed off as a photo's."""


@dataclass(frozen=True, slots=True)
class KeptPhoto:
    """A photo without metadata. ``kept_until`` is seconds since the epoch (UTC)."""

    media_type: str
    data: bytes
    kept_until: float


@dataclass(frozen=True, slots=True)
class ReferencePhoto:
    """The photo that a reference was made from."""

    reference_id: int
    subject_id: str
    photo: KeptPhoto


_PHOTO = (
    "SELECT photo.reference_id, subject_id, media_type, data, kept_until, key_id, wrapped FROM photo"
    " JOIN reference ON reference.reference_id = photo.reference_id LEFT JOIN subject_key USING (subject_id)"
)


class Photos:
    """The photos of a store. One past its time is not there, whether or not it was erased yet."""

    def __init__(self, database: Database, vault: Vault) -> None:
        self._database, self._vault = database, vault

    def insert(self, connection: Connection, reference_id: int, subject_id: str, photo: KeptPhoto) -> None:
        """Keep the photo of a new reference, inside the caller's transaction."""
        # It cannot be moved to another reference, nor its time.
        context = reference_id, photo.media_type, float(photo.kept_until)
        sealed = self._vault.seal(connection, subject_id, KIND, photo.data, *context)
        connection.execute(
            "INSERT INTO photo (reference_id, media_type, data, kept_until) VALUES (?, ?, ?, ?)",
            (reference_id, photo.media_type, sealed, photo.kept_until),
        )

    def of_reference(self, connection: Connection, reference_id: int) -> ReferencePhoto:
        """The photo of one reference; raises PhotoNotKept."""
        row = None
        if 0 < reference_id <= MAX_INTEGER:
            row = connection.row(
                f"{_PHOTO} WHERE photo.reference_id = ? AND kept_until > ?", (reference_id, time.time())
            )
        if row is None:
            raise PhotoNotKept
        return self._opened(row)

    def page(self, *, after: int = 0, limit: int = 100) -> list[ReferencePhoto]:
        """Up to ``limit`` photos of references with an id above ``after``, by ascending id."""
        with self._database.reading() as connection:
            rows = connection.rows(
                f"{_PHOTO} WHERE photo.reference_id > ? AND kept_until > ?"
                " ORDER BY photo.reference_id LIMIT ?",
                (after, time.time(), limit),
            )
            return [self._opened(row) for row in rows]

    def kept_until(self, subject_id: str) -> dict[int, float]:
        """Until when the photo of each reference of a subject is kept; those without one are left out."""
        with self._database.reading() as connection:
            rows = connection.rows(
                "SELECT photo.reference_id, kept_until FROM photo"
                " JOIN reference ON reference.reference_id = photo.reference_id"
                " WHERE subject_id = ? AND kept_until > ?",
                (subject_id, time.time()),
            )
        return {int(reference_id): float(until) for reference_id, until in rows}

    def _opened(self, row: Row) -> ReferencePhoto:
        reference_id, subject_id, media_type, data, kept_until, key_id, wrapped = row
        key = self._vault.unwrapped(subject_id, key_id, wrapped)
        photo = key.open(KIND, data, reference_id, media_type, kept_until)
        return ReferencePhoto(int(reference_id), subject_id, KeptPhoto(media_type, photo, kept_until))
