"""Charts as inline SVG: no script, no font, no style attribute, readable in print and without colours."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from typing import NamedTuple

# Okabe and Ito: told apart with any colour vision. The dashes tell lines apart in a black and white print.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
_DASHES = ("", "7 3", "2 3", "8 3 2 3", "12 4", "4 4")
_WIDTH, _HEIGHT = 560, 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 16, 48


class Axis(NamedTuple):
    """Range and title of an axis; a logarithmic one draws a zero at its low end."""

    title: str
    low: float
    high: float
    log: bool = False
    percent: bool = False
    marks: Sequence[tuple[float, str]] = ()
    """Ticks with their texts, where round numbers would say nothing: times of day."""

    def part(self, value: float) -> float:
        """Where a value lies between the ends, from 0 to 1."""
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            value = math.log10(max(value, self.low))
        else:
            low, high = self.low, self.high
        return min(1.0, max(0.0, (value - low) / (high - low)))

    def ticks(self) -> list[float]:
        """Powers of ten, or about six round numbers, or those of ``marks``."""
        if self.marks:
            return [value for value, _ in self.marks]
        if self.log:
            decades = range(
                math.ceil(math.log10(self.low) - 1e-9), math.floor(math.log10(self.high) + 1e-9) + 1
            )
            return [10.0**decade for decade in decades]
        rough = (self.high - self.low) / 6
        step = 10 ** math.floor(math.log10(rough))
        step = next(step * factor for factor in (1, 2, 5, 10) if step * factor >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [round(number * step, 10) for number in range(first, math.floor(self.high / step + 1e-9) + 1)]

    def label(self, value: float) -> str:
        """A tick's text."""
        if self.marks:
            return dict(self.marks)[value]
        if self.percent:
            return f"{value * 100:g} %"
        return f"{value:g}"


class Line(NamedTuple):
    """A line of a chart; a NaN in ``y`` interrupts it."""

    label: str
    x: Sequence[float]
    y: Sequence[float]
    colour: int = 0
    dashed: bool = True


class Band(NamedTuple):
    """A shaded region between two lines over the same places."""

    label: str
    x: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


def line_chart(
    title: str,
    x: Axis,
    y: Axis,
    lines: Sequence[Line],
    band: Band | None = None,
    *,
    height: int = _HEIGHT,
) -> str:
    """Lines over axes with a legend, and a band behind them. ``height``: in the units of ``_WIDTH``."""
    parts = [_axes(x, y, height)]
    if band:
        edge = [*zip(band.x, band.high, strict=True), *reversed(list(zip(band.x, band.low, strict=True)))]
        points = _points(edge, x, y, height)
        parts.append(f'<polygon points="{points}" fill="#999" fill-opacity="0.3"/>')
    for number, line in enumerate(lines):
        dash = _DASHES[number % len(_DASHES)] if line.dashed else ""
        colour = COLOURS[line.colour % len(COLOURS)]
        for run in _runs(line):
            if len(run) == 1:
                left, top = _points(run, x, y, height).split(",")
                parts.append(f'<circle cx="{left}" cy="{top}" r="3" fill="{colour}"/>')
                continue
            parts.append(
                f'<polyline points="{_points(run, x, y, height)}" fill="none" '
                f'stroke="{colour}" stroke-width="2"' + (f' stroke-dasharray="{dash}"' if dash else "") + "/>"
            )
    return _svg(title, parts, height)


def _runs(line: Line) -> list[list[tuple[float, float]]]:
    """The points between gaps."""
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in zip(line.x, line.y, strict=True):
        if math.isnan(y):
            runs.append([])
        else:
            runs[-1].append((x, y))
    return [run for run in runs if run]


def legend_key(number: int) -> str:
    """A short piece of the line of that number, for a legend in the page's own text."""
    dash = _DASHES[number % len(_DASHES)]
    stroke = f'stroke="{COLOURS[number % len(COLOURS)]}" stroke-width="3"'
    return (
        '<svg class="key" width="36" height="8" aria-hidden="true"><line x1="0" y1="4" x2="36" y2="4" '
        + stroke + (f' stroke-dasharray="{dash}"' if dash else "") + "/></svg>"
    )  # fmt: skip


def histogram(
    title: str, start: float, width: float, series: Sequence[tuple[str, Sequence[int], int]]
) -> str:
    """Counts, each series as shares of itself, so that few mated stand beside many non-mated."""
    end = start + width * max(len(counts) for _, counts, _ in series)
    shares = [[count / max(1, sum(counts)) for count in counts] for _, counts, _ in series]
    x = Axis("comparison score", start, end)
    y = Axis("share of comparisons", 0, max(max(share) for share in shares) * 1.05 or 1, percent=True)
    parts = [_axes(x, y, _HEIGHT)]
    for (_, _, colour), share in zip(series, shares, strict=True):
        outline = [(start, 0.0)]
        for column, value in enumerate(share):
            outline += [(start + column * width, value), (start + (column + 1) * width, value)]
        outline.append((start + len(share) * width, 0.0))
        paint = COLOURS[colour]
        parts.append(
            f'<polygon points="{_points(outline, x, y, _HEIGHT)}" fill="{paint}" fill-opacity="0.25" '
            f'stroke="{paint}" stroke-width="1.5"'
            + (f' stroke-dasharray="{_DASHES[colour]}"' if _DASHES[colour] else "")
            + "/>"
        )
    return _svg(title, parts, _HEIGHT)


def _svg(title: str, parts: Sequence[str], height: int) -> str:
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="{escape(title)}" '
        f'font-size="12" font-family="sans-serif">{"".join(parts)}</svg>'
    )


def _place(x: Axis, y: Axis, height: int) -> Callable[[float, float], tuple[float, float]]:
    across, down = _WIDTH - _LEFT - _RIGHT, height - _TOP - _BOTTOM
    return lambda a, b: (_LEFT + across * x.part(a), _TOP + down * (1 - y.part(b)))


def _points(points: Sequence[tuple[float, float]], x: Axis, y: Axis, height: int) -> str:
    place = _place(x, y, height)
    return " ".join(f"{left:.1f},{top:.1f}" for left, top in (place(a, b) for a, b in points))


def _axes(x: Axis, y: Axis, height: int) -> str:
    place = _place(x, y, height)
    parts = []
    for value in x.ticks():
        left, _ = place(value, y.low)
        parts.append(
            f'<line x1="{left:.1f}" y1="{_TOP}" x2="{left:.1f}" y2="{height - _BOTTOM}" stroke="#ddd"/>'
            f'<text x="{left:.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{x.label(value)}</text>'
        )
    for value in y.ticks():
        _, top = place(x.low, value)
        parts.append(
            f'<line x1="{_LEFT}" y1="{top:.1f}" x2="{_WIDTH - _RIGHT}" y2="{top:.1f}" stroke="#ddd"/>'
            f'<text x="{_LEFT - 6}" y="{top + 4:.1f}" text-anchor="end">{y.label(value)}</text>'
        )
    middle = (_TOP + height - _BOTTOM) / 2
    parts.append(
        f'<rect x="{_LEFT}" y="{_TOP}" width="{_WIDTH - _LEFT - _RIGHT}" height="{height - _TOP - _BOTTOM}" '
        'fill="none" stroke="#666"/>'
        f'<text x="{(_LEFT + _WIDTH - _RIGHT) / 2}" y="{height - 8}" text-anchor="middle">'
        f"{escape(x.title)}</text>"
        f'<text x="14" y="{middle}" text-anchor="middle" transform="rotate(-90 14 {middle})">'
        f"{escape(y.title)}</text>"
    )
    return "".join(parts)
