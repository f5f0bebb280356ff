"""Which references changed in the last seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray


class RecentIds:
    """Ids that are forgotten after a time. Safe to call from several threads."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._noted: dict[int, float] = {}

    def note(self, ids: Iterable[int]) -> int:
        """Keep these ids from now on; how many of them were not kept already."""
        now = time.monotonic()
        with self._lock:
            before = len(self._noted)
            for i in ids:
                # Taken out first: the oldest stay in front.
                self._noted.pop(int(i), None)
                self._noted[int(i)] = now
            return len(self._noted) - before

    def ids(self) -> NDArray[np.int64]:
        """The ids noted within the time, ascending."""
        oldest = time.monotonic() - self._seconds
        with self._lock:
            while self._noted and self._noted[first := next(iter(self._noted))] < oldest:
                del self._noted[first]
            return np.sort(np.fromiter(self._noted, dtype=np.int64))
