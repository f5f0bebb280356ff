"""Lines of the log that anybody can cause: few of them, and a count of the others."""

from __future__ import annotations

import logging
import time
from typing import Any

PER_SECOND = 10
"""A flood must not write the disk full that the audit needs."""


class Scarce:
    """Lines of one kind, at most ``PER_SECOND``; another kind's flood leaves them alone."""

    def __init__(self) -> None:
        self._second = 0
        self._left = PER_SECOND
        self._unlogged = 0

    def may(self) -> bool:
        """Whether there may be one more line; if not, it is counted."""
        if (second := int(time.monotonic())) != self._second:
            self._second, self._left = second, PER_SECOND
        if self._left:
            self._left -= 1
            return True
        self._unlogged += 1
        return False

    def unlogged(self) -> int:
        """How many lines there were not since this was last asked."""
        count, self._unlogged = self._unlogged, 0
        return count

    def say(self, log: logging.Logger, level: int, text: str, *values: object, **more: Any) -> None:  # noqa: ANN401
        """Log a line, if there may be one; ``more`` is what ``Logger.log`` takes."""
        if not self.may():
            return
        if unlogged := self.unlogged():
            text, values = f"{text}; %d such lines before it were left out", (*values, unlogged)
        log.log(level, text, *values, **more)
