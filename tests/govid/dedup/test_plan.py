from __future__ import annotations

from collections import Counter
from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from govid.dedup.plan import blocks, comparisons, cut


@given(
    old=st.lists(st.integers(1, 9), max_size=12),
    new=st.lists(st.integers(1, 9), max_size=12),
    gap=st.integers(0, 3),
)
def test_every_pair_with_something_new_is_in_exactly_one_block(
    old: list[int], new: list[int], gap: int
) -> None:
    """Sizes of spans as cut, with changes between that brought no reference (deletions)."""

    def ends(sizes: list[int], after: int) -> list[tuple[int, int]]:
        found = []
        for size in sizes:
            after += size + gap
            found.append((after, size))
        return found

    since = sum(old) + gap * len(old) + gap
    last = since + sum(new) + gap * len(new) + gap
    spans = [
        *cut(ends(old, 0), first=0, last=since, new=False),
        *cut(ends(new, since), first=since, last=last, new=True),
    ]
    inside = [range(span.after + 1, span.last + 1) for span in spans]
    covered = [change for changes in inside for change in changes]
    assert len(set(covered)) == len(covered)
    if old and new:
        assert covered == list(range(1, last + 1))

    counts: Counter[tuple[int, int]] = Counter()
    for number, column in blocks(spans):
        if number == column:
            counts.update(combinations(inside[number], 2))
        else:
            counts.update((a, b) for a in inside[column] for b in inside[number])
    wanted = {pair for pair in combinations(covered, 2) if pair[1] > (since if old or new else 0)}
    assert set(counts) == wanted
    assert set(counts.values()) <= {1}


@given(sizes=st.lists(st.integers(1, 50), max_size=8), first_new=st.integers(0, 8))
def test_comparisons_are_counted_as_the_blocks_hold_them(sizes: list[int], first_new: int) -> None:
    spans = [
        *cut([(n, size) for n, size in enumerate(sizes[:first_new], 1)], first=0, last=100, new=False),
        *cut([(100 + n, size) for n, size in enumerate(sizes[first_new:], 1)], first=100, last=200, new=True),
    ]
    held = sum(
        spans[i].size * (spans[i].size - 1) // 2 if i == j else spans[i].size * spans[j].size
        for i, j in blocks(spans)
    )
    assert comparisons(spans) == held


def test_a_nation_has_a_block_list_that_fits() -> None:
    references = 1.4e9 * 1.2
    assert references / 16384 < 110_000
