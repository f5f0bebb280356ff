"""The wall clock as a test sets it."""

from __future__ import annotations

import time
from datetime import datetime, tzinfo
from typing import Self

import jwt
import pytest


class Clock:
    """The wall clock, as somebody sets it; the monotonic one goes on undisturbed."""

    def __init__(self) -> None:
        self._true = time.time
        self.ahead = 0.0

    def __call__(self) -> float:
        return self._true() + self.ahead


def set_by_hand(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Have this process read a clock that a test sets."""
    made = Clock()

    class Wall(datetime):
        """What PyJWT reads."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls.fromtimestamp(made(), tz)

    monkeypatch.setattr(time, "time", made)
    monkeypatch.setattr(jwt.api_jwt, "datetime", Wall)
    return made
