"""How many threads keep the cores of this process busy."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")
"""Microseconds of CPU in each period of so many microseconds, or ``max`` (Linux, cgroup-v2.rst)."""


def available() -> int:
    """The cores that this process may use: fewer than the machine's where it is pinned, or in a container
    whose share is bounded: more threads than that would only be stopped in the middle of their work."""
    pinned = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(pinned, _bound(_QUOTA) or pinned)


def for_photos() -> int:
    """Threads that embed many photos: one more, which computes while another waits for Python's lock."""
    return available() + 1


def _bound(file: Path) -> int | None:
    """Cores that the control group may keep busy, rounded up; None without a bound."""
    try:
        quota, period = map(int, file.read_text(encoding="ascii").split())
        return math.ceil(quota / period) or None
    except (OSError, ValueError, ZeroDivisionError):  # no control group, or "max"
        return None
