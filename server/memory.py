"""glibc's allocator, told to give memory back.

By default each thread gets a heap of its own, and the threshold above which a block is mapped, and unmapped
when it is freed, rises to 32 MiB with use: the buffers of large photos then stay in every worker's heap.
"""

from __future__ import annotations

import ctypes
import logging
import os
from collections.abc import Callable
from pathlib import Path

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
# Bytes. Small ones come and go with every photo and are kept; what a look at a large picture needs is mapped,
# because glibc before 2.38 seldom finds an aligned block again that it has freed.
_LARGE = 4 << 20
_MUCH = 64 << 20
"""Bytes kept between blocks in use from which on they are given back. Ordinary photos keep less, and so never
pay for pages that come anew."""

log = logging.getLogger("govid.server")


def give_back() -> None:
    """Set one heap for all threads and a fixed threshold; elsewhere than on glibc nothing happens."""
    if (mallopt := _of_glibc("mallopt")) is None:
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE)):
        if not mallopt(option, value):
            log.warning("mallopt(%d, %d) was refused: memory may grow with the photos", option, value)


class Residue:
    """What the heap keeps between blocks in use, after large photos without a face above all."""

    def __init__(self) -> None:
        """Give back what loading has left."""
        self._least = 0
        self.give_back()

    def give_back(self) -> None:
        """Give the pages back if they have become many: some milliseconds, and nothing elsewhere."""
        self._least = min(self._least, resident := _resident())
        if resident - self._least < _MUCH:
            return
        if (trim := _of_glibc("malloc_trim")) is None:
            return
        trim(0)
        # What is left is in use: a gallery that has grown is no residue.
        self._least = _resident()


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None where there is another library."""
    try:
        found: Callable[..., int] = getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError, TypeError):
        return None
    return found


def _resident() -> int:
    """Bytes; 0 where the system does not say."""
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
