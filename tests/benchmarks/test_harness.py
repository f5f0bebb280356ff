from __future__ import annotations

import operator
import time
from functools import partial

import pytest

from benchmarks.harness import Contender, Pace, WrongAnswerError, compare
from benchmarks.peers import SkippedError, folder_of, peer

PACE = Pace(rounds=3, seconds=0.001)


def adder(name: str, result: int = 3) -> Contender:
    return Contender(name, "", lambda: partial(operator.add, 1, result - 1))


def test_rows_come_in_order_with_their_ratio_to_the_first() -> None:
    slow = Contender("slow", "sleeps", lambda: partial(time.sleep, 0.002), lambda _: 3)
    table = compare("sum", "One sum", "ns", [adder("quick"), slow], lambda _, a: a == 3, PACE)
    quick, slow_row = table.rows
    assert [row.name for row in table.rows] == ["quick", "slow"]
    assert quick.ratio is None
    assert slow_row.ratio is not None
    assert 1 < slow_row.ratio.least <= slow_row.ratio.median <= slow_row.ratio.most
    assert all(len(row.rounds) == PACE.rounds for row in table.rows)
    assert all(row.lower_quartile <= row.median <= row.upper_quartile for row in table.rows)
    assert quick.calls > 1000, "short calls are timed in loops"


def test_a_wrong_answer_ends_the_run_before_anything_is_timed() -> None:
    timed = []
    late = Contender("late", "", lambda: partial(timed.append, 1), lambda _: 3)
    with pytest.raises(WrongAnswerError, match="sum: wrong: 0 of 1"):
        compare("sum", "", "ns", [late, adder("wrong", 4)], lambda _, a: a == 3, PACE)
    assert timed == [1], "called once for its answer"


def test_wrong_answers_stay_in_the_denominator_where_they_are_counted() -> None:
    half = Contender("half", "", lambda: [partial(operator.add, 1, 2), partial(operator.add, 1, 1)])
    table = compare("sum", "", "ns", [half], lambda _, a: a == 3, PACE, strict=False)
    assert (table.rows[0].right, table.rows[0].asked) == (1, 2)


def test_a_question_without_an_answer_is_asked_and_not_timed() -> None:
    called = []
    refusing = partial(called.append, 1)
    some = Contender("some", "", lambda: [partial(operator.add, 1, 2), refusing])
    table = compare("sum", "", "ns", [some], lambda _, a: a == 3, PACE, strict=False)
    assert (table.rows[0].right, table.rows[0].unanswered, table.rows[0].asked) == (1, 1, 2)
    assert called == [1]
    nobody = Contender("nobody", "", lambda: refusing)
    with pytest.raises(WrongAnswerError, match="nobody answers nothing"):
        compare("sum", "", "ns", [nobody], lambda _, a: a == 3, PACE, strict=False)


def test_who_is_not_installed_is_named_and_left_out() -> None:
    absent = Contender("absent", "", lambda: partial(peer("no_such_package").run))
    table = compare("sum", "", "ns", [adder("quick"), absent], lambda _, a: a == 3, PACE)
    assert [row.name for row in table.rows] == ["quick"]
    assert [skip.name for skip in table.skipped] == ["absent"]
    assert "no_such_package" in table.skipped[0].reason
    with pytest.raises(SkippedError, match="make bench"):
        folder_of("no_such_package")


def test_each_call_is_made_ready_before_and_that_is_not_timed() -> None:
    values: list[int] = []

    def ready() -> None:
        time.sleep(0.02)
        values[:] = [1, 2]

    emptied = Contender("emptied", "", lambda: partial(values.pop), before=ready)
    table = compare("pop", "", "ms", [emptied], lambda _, last: last == 2, Pace(3, 0.0))
    assert values == [1]
    assert table.rows[0].median < 10


def test_times_are_per_item() -> None:
    batch = Contender("batch", "", lambda: partial(time.sleep, 0.001), lambda _: 1000)
    table = compare("batch", "", "ms", [batch], lambda _, right: right, PACE, items=1000)
    assert table.rows[0].asked == 1000
    assert 0.001 <= table.rows[0].median < 1
