"""The charts of the report: what is drawn over what, and in which range."""

from __future__ import annotations

import math
from collections.abc import Sequence

from govid.svg import Axis, Band, Line, histogram, line_chart
from lfw_eval.results import Curve, Discard, Histogram

Curves = Sequence[tuple[str, Curve]]


def det(curves: Curves, comparisons: int) -> str:
    """FNMR over FMR, both logarithmic, so that low rates are told apart."""
    fmr = _fmr_axis(comparisons)
    smallest = min((rate for _, curve in curves for rate in curve.fnmr if rate > 0), default=1e-3)
    fnmr = Axis("FNMR", min(0.1, max(10.0 ** math.floor(math.log10(smallest)), 1e-6)), 1, log=True)
    lines = [Line(label, c.fmr, c.fnmr, number) for number, (label, c) in enumerate(curves)]
    return line_chart("DET curve: FNMR over FMR", fmr, fnmr, lines)


def roc(curves: Curves, comparisons: int) -> str:
    """The share of mated comparisons that match, over a logarithmic FMR."""
    fmr = _fmr_axis(comparisons)
    # The worst rate at the left end decides the range; below 1 % even that leaves a visible curve.
    worst = max(
        (rate for _, curve in curves for x, rate in zip(curve.fmr, curve.fnmr, strict=True) if x >= fmr.low),
        default=1.0,
    )
    low = max(0.0, 1 - max(0.02, min(1.0, worst * 1.1)))
    lines = [
        Line(label, c.fmr, [1 - rate for rate in c.fnmr], number) for number, (label, c) in enumerate(curves)
    ]
    return line_chart("ROC curve: 1 - FNMR over FMR", fmr, Axis("1 - FNMR", low, 1, percent=True), lines)


def scores(counts: Histogram) -> str:
    """Mated and non-mated scores."""
    series = [("mated", counts.mated, 0), ("non-mated", counts.non_mated, 1)]
    return histogram("Scores of mated and non-mated comparisons", counts.start, counts.width, series)


def error_versus_discard(curve: Discard) -> str:
    """FNMR of what is left, before the band of random choices."""
    highest = max([*curve.fnmr, *curve.random_high, 1e-4]) * 1.1
    return line_chart(
        f"Error versus discard by {curve.measure}",
        Axis("discarded, lowest quality first", 0, curve.discarded[-1], percent=True),
        Axis("FNMR", 0, highest, percent=True),
        [Line(curve.measure, curve.discarded, curve.fnmr)],
        Band("random", curve.discarded, curve.random_low, curve.random_high),
    )


def _fmr_axis(comparisons: int) -> Axis:
    # Half of one comparison ends the axis: a curve that reaches zero is drawn to that end.
    return Axis("FMR", max(0.5 / max(1, comparisons), 1e-9), 1, log=True)
