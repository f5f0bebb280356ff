"""Pairs -> clusters of subjects who may all be one person, small enough for somebody to decide."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from govid.store.dedup import Pair

MAX_SUBJECTS = 20
"""Subjects of a case. Far more in one cluster are strangers in a chain, or a picture of nobody."""


class _Sets:
    """Disjoint sets of subjects, joined until they are as large as allowed (union-find)."""

    def __init__(self, most: int | None) -> None:
        self._parent: dict[str, str] = {}
        self._size: dict[str, int] = {}
        self._most = most

    def root(self, subject: str) -> str:
        parent = self._parent.setdefault(subject, subject)
        while parent != self._parent[parent]:
            self._parent[subject] = self._parent[parent]
            subject, parent = parent, self._parent[parent]
        return parent

    def size(self, subject: str) -> int:
        return self._size.get(self.root(subject), 1)

    def join(self, one: str, other: str) -> bool:
        """Whether the two are in one set now."""
        a, b = self.root(one), self.root(other)
        if a == b:
            return True
        together = self.size(a) + self.size(b)
        if self._most is not None and together > self._most:
            return False
        if self.size(a) < self.size(b):
            a, b = b, a
        self._parent[b] = a
        self._size[a] = together
        return True


def clusters(pairs: Sequence[Pair], most: int = MAX_SUBJECTS) -> Iterator[tuple[list[Pair], int]]:
    """Groups of pairs that hang together, and how many subjects hang together in all.

    A cluster of more than ``most`` subjects comes in several groups, the most alike first: each pair is in
    exactly one of them, and the number of subjects says that there is more.

    Args:
        pairs: in descending order of their scores.
    """
    whole = _Sets(None)
    for pair in pairs:
        whole.join(pair.subject_a, pair.subject_b)
    left = pairs
    while left:
        parts = _Sets(most)
        inside, left = _divided(left, parts)
        groups: dict[str, list[Pair]] = {}
        for pair in inside:
            groups.setdefault(parts.root(pair.subject_a), []).append(pair)
        for group in groups.values():
            yield group, whole.size(group[0].subject_a)


def _divided(pairs: Sequence[Pair], parts: _Sets) -> tuple[list[Pair], list[Pair]]:
    """The pairs whose subjects can be joined, and the others."""
    inside: list[Pair] = []
    left: list[Pair] = []
    for pair in pairs:
        (inside if parts.join(pair.subject_a, pair.subject_b) else left).append(pair)
    return inside, left
