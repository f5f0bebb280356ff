from __future__ import annotations

import math

from govid.svg import Axis, Line, line_chart

X = Axis("UTC", 0, 60, marks=((0, "09:00"), (30, "09:30")))
Y = Axis("ms", 0, 10)


def drawn(*y: float) -> str:
    return line_chart("a <chart>", X, Y, [Line("p50", range(len(y)), y)], height=200)


def test_nothing_is_drawn_across_a_gap() -> None:
    assert drawn(1, 2, 3, 4).count("<polyline") == 1
    assert drawn(1, 2, math.nan, 3, 4).count("<polyline") == 2
    assert drawn(math.nan, math.nan).count("<polyline") == 0
    assert "nan" not in drawn(math.nan, 1, 2, math.nan)


def test_a_lonely_point_can_be_seen() -> None:
    chart = drawn(1, 2, math.nan, 3, math.nan)
    assert (chart.count("<polyline"), chart.count("<circle")) == (1, 1)


def test_marks_stand_where_they_belong_and_text_is_escaped() -> None:
    chart = drawn(1, 2)
    assert chart.index("09:00") < chart.index("09:30")
    assert 'viewBox="0 0 560 200"' in chart
    assert 'aria-label="a &lt;chart&gt;"' in chart
    assert "style=" not in chart
