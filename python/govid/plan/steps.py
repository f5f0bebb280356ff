"""Numbers as people read them, and lines of arithmetic that hold them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from govid.plan import Step

_DECIMAL = ("", "k", "M", "G", "T", "P", "E")


class Sheet:
    """Lines of arithmetic in order. Each returns its value, for the next line."""

    def __init__(self) -> None:
        self.steps: list[Step] = []

    def line(self, name: str, formula: str, value: float, unit: str = "") -> float:
        """Note a line."""
        self.steps.append(Step(name, formula, value, unit))
        return value


def number(value: float) -> str:
    """Three or four figures: 1.4e+09, 0.001, 12,345."""
    if value and (abs(value) >= 1e6 or abs(value) < 1e-3):
        return f"{value:.3g}"
    return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"


def shown(value: float, unit: str) -> str:
    """A value in a unit of a size that suits it."""
    if unit == "seconds":
        return duration(value)
    if unit.startswith("bytes") or unit.endswith("/s"):
        power = min(len(_DECIMAL) - 1, max(0, int(math.log10(value) // 3))) if value >= 1 else 0
        word = unit.replace("bytes", "B")
        return f"{value / 1000**power:.3g} {_DECIMAL[power]}{word}"
    return f"{number(value)} {unit}".rstrip()


def duration(seconds: float) -> str:
    """Seconds in the unit people would use."""
    for size, word in ((365.25 * 86400, "years"), (86400, "days"), (3600, "h"), (60, "min"), (1, "s")):
        if seconds >= size:
            return f"{number(seconds / size)} {word}"
    return f"{seconds * 1000:.3g} ms"


def named(steps: Sequence[Step], name: str) -> float:
    """The value of the last line of that name."""
    return next(step.value for step in reversed(steps) if step.name == name)
