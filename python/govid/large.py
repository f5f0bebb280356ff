"""Large photos wait for their turn where memory is bounded: one unpacks to tens or hundreds of megabytes.

Who runs work in threads (the server) bounds what a thread may unpack; who does not is bounded by nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

ORDINARY_BYTES = 24 << 20
"""What any thread may unpack at any time: 4 megapixels of JPEG, 3 of PNG, 1.5 of WebP."""

_allowed: ContextVar[int | None] = ContextVar("allowed", default=None)


class TurnNeeded(BaseException):
    """Work has come upon a photo that it may not unpack now. It has changed nothing yet: run it again.

    No error, and therefore no ``Exception``: nothing between decoder and thread may answer it.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
        """Bytes that unpacking takes at its peak."""


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Within the block nothing is unpacked that takes more bytes than this and than an ordinary photo."""
    token = _allowed.set(max(size, ORDINARY_BYTES))
    try:
        yield
    finally:
        _allowed.reset(token)


def about_to_unpack(size: int) -> None:
    """Say how many bytes a photo is going to take.

    Raises:
        TurnNeeded: this thread may not take so many now.
    """
    allowed = _allowed.get()
    if allowed is not None and size > allowed:
        raise TurnNeeded(size)
