"""raw figure -> value from 0 to 100, in the ways OFIQ maps its own."""

from __future__ import annotations

import math

from govid.types import QualityMeasure

# Hostile landmarks give raw figures without bound; a reply carries none that JSON or a column cannot hold.
_LARGEST = 1e6


def sigmoid(raw: float, centre: float, width: float) -> float:
    """Rises from 0 to 1; one half at ``centre``; from 0.12 to 0.88 within twice ``width`` on either side."""
    return 0.5 * (1 + math.tanh((raw - centre) / (2 * width)))


def measure(name: str, raw: float, value: float) -> QualityMeasure:
    """A measure with its value rounded into 0 to 100. What is not finite is worth 0."""
    if not math.isfinite(raw) or not math.isfinite(value):
        raw, value = 0.0, 0.0
    return QualityMeasure(
        name=name,
        raw=round(min(max(raw, -_LARGEST), _LARGEST), 4),
        value=round(min(max(value, 0.0), 100.0)),
    )
