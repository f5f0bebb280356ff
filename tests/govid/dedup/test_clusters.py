from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from govid.dedup.clusters import clusters
from govid.store.dedup import Pair


def pair(a: str, b: str, score: float = 0.9) -> Pair:
    return Pair(min(a, b), max(a, b), ord(a[0]), ord(b[0]), score)


def test_pairs_that_share_a_subject_hang_together() -> None:
    found = list(clusters([pair("a", "b"), pair("x", "y"), pair("b", "c")]))
    assert [(len(group), subjects) for group, subjects in found] == [(2, 3), (1, 2)]


def test_a_chain_is_divided_where_it_is_weakest_and_says_how_long_it_was() -> None:
    chain = [pair("a", "b", 0.9), pair("c", "d", 0.8), pair("b", "c", 0.7)]
    found = list(clusters(chain, most=2))
    assert [group for group, _ in found] == [[chain[0]], [chain[1]], [chain[2]]]
    assert [subjects for _, subjects in found] == [4, 4, 4]


@given(
    edges=st.lists(
        st.tuples(st.integers(0, 30), st.integers(0, 30)).filter(lambda e: e[0] < e[1]), unique=True
    ),
    most=st.integers(2, 6),
)
def test_each_pair_is_in_one_group_of_the_allowed_size(edges: list[tuple[int, int]], most: int) -> None:
    pairs = [Pair(f"{a:02}", f"{b:02}", a, b, 0.9) for a, b in edges]
    found = list(clusters(pairs, most=most))
    assert sorted(p for group, _ in found for p in group) == sorted(pairs)
    for group, subjects in found:
        inside = {subject for p in group for subject in (p.subject_a, p.subject_b)}
        assert len(inside) <= min(most, subjects)
