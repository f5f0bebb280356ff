"""glibc's allocator, told to give memory back.

By default each thread gets a heap of its own, and the threshold above which a block is mapped, and unmapped
when it is freed, rises to 32 MiB with use: the buffers of large photos then stay in every worker's heap.
"""

from __future__ import annotations

import ctypes
import logging

_M_ARENA_MAX = -8
_M_MMAP_THRESHOLD = -3
_M_TRIM_THRESHOLD = -1
# Bytes. Small ones come and go with every photo and are kept; a picture of 5 megapixels is mapped.
_LARGE = 16 << 20

log = logging.getLogger("govid.server")


def give_back() -> None:
    """Set one heap for all threads and a fixed threshold; elsewhere than on glibc nothing happens."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return
    for option, value in ((_M_ARENA_MAX, 1), (_M_MMAP_THRESHOLD, _LARGE), (_M_TRIM_THRESHOLD, _LARGE)):
        if not mallopt(option, value):
            log.warning("mallopt(%d, %d) was refused: memory may grow with the photos", option, value)
