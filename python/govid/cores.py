"""How many threads keep the cores of this process busy."""

from __future__ import annotations

import os


def available() -> int:
    """The cores that this process may use: fewer than the machine's where it is pinned."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def for_photos() -> int:
    """Threads that embed many photos: one more, which computes while another waits for Python's lock."""
    return available() + 1
