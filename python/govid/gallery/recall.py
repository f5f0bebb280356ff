"""How well a build finds: mated probes searched by it and by a search that compares everybody.

A probe is a stored reference with noise in a random direction, as far from it as a second photo of the person
is: between two photos of the same person of LFW (SFace, 1,680 people) the cosine is 0.73 on average with a
standard deviation of 0.1. The noise of real photos is almost without a preferred direction, too: its
covariance has a participation ratio of 116 in 129 dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from govid.gallery import Probes, Recall
from govid.gallery.found import Found
from govid.gallery.segments import Part

PROBES = 1000
_NEAREST = 10
_MEAN, _DEVIATION = 0.73, 0.1
_LEAST, _MOST = 0.4, 0.95

Search: TypeAlias = Callable[[Probes, int], Found]
"""Probes and k -> the k best."""


def mated(vectors: NDArray[np.float32], seed: int = 0) -> Probes:
    """A probe for each of those (n, d) unit vectors, with a cosine to it as between two photos."""
    random = np.random.default_rng(seed)
    noise = random.standard_normal(vectors.shape, dtype=np.float32)
    noise -= vectors * np.einsum("ij,ij->i", noise, vectors)[:, None]
    noise /= np.linalg.norm(noise, axis=1, keepdims=True)
    cosine = np.clip(random.normal(_MEAN, _DEVIATION, (len(vectors), 1)), _LEAST, _MOST).astype(np.float32)
    probes = cosine * vectors + np.sqrt(1 - cosine**2) * noise
    return np.ascontiguousarray(probes / np.linalg.norm(probes, axis=1, keepdims=True))


class Yardstick:
    """Probes of a sample of rows, and what a search among everybody finds."""

    def __init__(self, parts: Sequence[Part], everybody: Search, threshold: float) -> None:
        """Take the sample and search it.

        Args:
            parts: segments without removed rows.
            threshold: the score from which on FNIR counts a mate.
        """
        total = sum(len(part.segment) for part in parts)
        rows = np.sort(np.random.default_rng(total).choice(total, min(PROBES, total), replace=False))
        ends = np.cumsum([len(part.segment) for part in parts])
        vectors = [
            part.segment.vectors[rows[(rows >= part.start) & (rows < end)] - part.start]
            for part, end in zip(parts, ends, strict=True)
        ]
        self._threshold = threshold
        self._rows = rows[:, None]
        self._probes = mated(np.concatenate(vectors))
        self._expected = everybody(self._probes, _NEAREST)

    def measure(self, search: Search) -> Recall:
        """What of it another search finds."""
        found = search(self._probes, _NEAREST)
        there, here = self._expected.rows == self._rows, found.rows == self._rows
        above = there & (self._expected.scores >= self._threshold)
        return Recall(
            probes=len(self._rows),
            recall_at_1=_part(here[:, 0], there[:, 0]),
            recall_at_10=_part(here.any(axis=1), there.any(axis=1)),
            fnir=1 - _part(here.any(axis=1), above.any(axis=1)),
            threshold=self._threshold,
        )


def _part(found: NDArray[np.bool_], expected: NDArray[np.bool_]) -> float:
    """Of the expected; 1 of nothing."""
    return float(found[expected].mean()) if expected.any() else 1.0
