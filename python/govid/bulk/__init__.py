"""Many subjects at once: into the record store from a folder, a tar or NDJSON, and out of it as NDJSON.

    import  source -> embed or check -> batches, each one transaction -> result file
    export  store -> NDJSON

A source yields items one after the other and holds one photo at a time; what is wrong with an item is an
outcome of that item and stops nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from enum import StrEnum
from typing import Protocol, TypeAlias

import msgspec

from govid.errors import CallerError
from govid.types import PackedTemplate, QualityMeasure


class Outcome(StrEnum):
    """What became of an item. All but FAILED are final; a second run tries FAILED again."""

    ENROLLED = "ENROLLED"
    ALREADY_ENROLLED = "ALREADY_ENROLLED"
    REFUSED = "REFUSED"
    FAILED = "FAILED"


class Item(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One photo or template of a source, without its content."""

    key: int
    """Finds the item again in a second run: unsigned 64 bits."""
    source: str
    """Where it stands, for people: a path inside the folder or tar, or a line."""
    subject_id: str = ""
    groups: tuple[str, ...] = ()
    add: bool = False
    """Whether it may be one more reference of a subject that is there."""
    quality: tuple[QualityMeasure, ...] = ()
    """Of the photo that a template was made from, where it is known."""
    created_at: float | None = None
    """Seconds since the epoch (UTC); None: now."""


Content: TypeAlias = bytes | PackedTemplate | CallerError | OSError
"""A photo, a template, or why there is neither: the item's fault, or the disk's."""

Done: TypeAlias = Callable[[int], bool]
"""Whether the item of that key has its outcome from an earlier run."""


class Source(Protocol):
    """Where items come from."""

    name: str
    """Of the folder or file, without its path."""

    def items(self, done: Done) -> Generator[tuple[Item, Content], None, None]:
        """Every item that is not done, in the same order each time; content of done items is not read.

        Raises:
            InvalidBody: the source cannot be read on, and every item before this place was yielded.
        """


class ItemResult(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A line of the result file."""

    input: str
    """Name of the source."""
    source: str
    key: int
    subject_id: str = ""
    outcome: Outcome
    reference_id: int | None = None
    slug: str | None = None
    reason: str | None = None
