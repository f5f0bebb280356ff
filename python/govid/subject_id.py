"""Subject ids: what a caller may call a person."""

from __future__ import annotations

import unicodedata

from govid.errors import InvalidSubjectId

MAX_LENGTH = 128


def checked(subject_id: str) -> str:
    """Return ``subject_id`` if it is allowed.

    An id is a name and never a path: no separators, no dot segments. Unicode is welcome in its composed
    form (NFC), so that one name has one spelling.

    Raises:
        InvalidSubjectId: it is not; the detail says why and does not repeat it.
    """
    if not 1 <= len(subject_id) <= MAX_LENGTH:
        raise InvalidSubjectId(f"{len(subject_id)} characters, allowed are 1 to {MAX_LENGTH}")
    if not subject_id.isprintable() or subject_id != subject_id.strip():
        raise InvalidSubjectId("holds a character that is not printable, or a space at an end")
    if set("/\\") & set(subject_id) or subject_id in {".", ".."}:
        raise InvalidSubjectId("looks like a path")
    if not unicodedata.is_normalized("NFC", subject_id):
        raise InvalidSubjectId("is not in Unicode normalisation form C")
    return subject_id
