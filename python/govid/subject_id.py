"""Subject ids and group names: what a caller may call people."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from govid.errors import InvalidGroup, InvalidSubjectId

MAX_LENGTH = 128
MAX_GROUPS = 16
_GROUP = re.compile(r"[A-Za-z0-9._-]{1,64}")
# Printable by their Unicode category and yet unseen: fillers, joiners, blanks and variation selectors.
_INVISIBLE = frozenset(
    (
        *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
        *range(0x180B, 0x1810),
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    )
)


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
    if not subject_id.isascii() and not _INVISIBLE.isdisjoint(map(ord, subject_id)):
        raise InvalidSubjectId("holds a character that cannot be seen")
    if "/" in subject_id or "\\" in subject_id or subject_id in {".", ".."}:
        raise InvalidSubjectId("looks like a path")
    if not unicodedata.is_normalized("NFC", subject_id):
        raise InvalidSubjectId("is not in Unicode normalisation form C")
    return subject_id


def checked_groups(groups: Sequence[str]) -> tuple[str, ...]:
    """Names of groups, each once and in order, if they are allowed.

    Raises:
        InvalidGroup: one is not, or there are too many.
    """
    if len(groups) > MAX_GROUPS:
        raise InvalidGroup(f"{len(groups)} groups, at most {MAX_GROUPS}")
    if not all(_GROUP.fullmatch(group) for group in groups):
        raise InvalidGroup
    return tuple(sorted(set(groups)))
