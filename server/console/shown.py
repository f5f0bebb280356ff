"""How values are written on a page: the same in each language, and never ambiguous."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from markupsafe import Markup


def moment(seconds: float | None) -> Markup | str:
    """Seconds since the epoch as date and time in UTC (ISO 8601, with a space for people)."""
    if seconds is None:
        return "–"
    when = datetime.fromtimestamp(seconds, UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        f"{when:%Y-%m-%dT%H:%M:%SZ}", f"{when:%Y-%m-%d %H:%M:%S}"
    )


def rate(value: float | None) -> str:
    """An error rate in as few digits as tell it: 0.01, 5e-6."""
    if value is None:
        return "–"
    mantissa, exponent = f"{value:.1e}".split("e")
    return f"{value:.2g}" if value >= 0.01 else f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def score(value: float | None) -> str:
    """A comparison score."""
    return "–" if value is None else f"{value:.4f}".rstrip("0").rstrip(".")


def milliseconds(seconds: float) -> str:
    """A time in milliseconds; a dash for none (NaN)."""
    return "–" if math.isnan(seconds) else f"{seconds * 1e3:.3g}"


def seconds_of(text: str) -> float | None:
    """Seconds since the epoch of a date, or a date and time (ISO 8601), in UTC; None for nothing.

    Raises:
        ValueError: it is no date and time.
    """
    if not text:
        return None
    when = datetime.fromisoformat(text)
    if when.tzinfo is not None:
        raise ValueError("a date and time without a zone: it is UTC")
    return when.replace(tzinfo=UTC).timestamp()
