"""The charts of the overview, drawn on the server."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from markupsafe import Markup

from govid.svg import Axis, Line, line_chart
from server.console.catalogue import Words
from server.history import Span

_HEIGHT = 240
_TICKS = 6
_STEPS = (1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0)


def requests(t: Words, spans: Sequence[Span]) -> Markup:
    """Answers a second, and those of them that failed."""
    x = [span.end for span in spans]
    lines = [
        Line(t("overview.answered"), x, [span.per_second for span in spans]),
        Line(t("overview.failed"), x, [span.failed_per_second for span in spans], 1),
    ]
    return _chart(t("overview.requests"), t("overview.per_second"), spans, lines, least=1.0)


def latency(t: Words, spans: Sequence[Span]) -> Markup:
    """Median and tail of the time to answer; nothing is drawn where nobody asked."""
    x = [span.end for span in spans]
    lines = [
        Line(f"p{part:g}", x, [span.quantile(part / 100) * 1e3 for span in spans], number)
        for number, part in enumerate((50, 95, 99))
    ]
    return _chart(t("overview.latency"), t("overview.milliseconds"), spans, lines, least=10.0)


def _chart(title: str, unit: str, spans: Sequence[Span], lines: Sequence[Line], *, least: float) -> Markup:
    highest = max((y for line in lines for y in line.y if not math.isnan(y)), default=0.0)
    begin, end = spans[0].begin, max(spans[-1].end, spans[0].begin + 1)
    across = Axis("UTC", begin, end, marks=_times(begin, end))
    # All text in it was made here, and line_chart escapes its titles.
    return Markup(line_chart(title, across, Axis(unit, 0, max(highest * 1.1, least)), lines, height=_HEIGHT))  # noqa: S704


def _times(begin: float, end: float) -> list[tuple[float, str]]:
    """Some round times of day, with how they are written."""
    step = next((step for step in _STEPS if step >= (end - begin) / _TICKS), _STEPS[-1])
    written = "%H:%M:%S" if step < 60 else "%H:%M"
    first, last = math.ceil(begin / step), math.floor(end / step)
    times = [number * step for number in range(first, last + 1)]
    return [(at, datetime.fromtimestamp(at, UTC).strftime(written)) for at in times]
