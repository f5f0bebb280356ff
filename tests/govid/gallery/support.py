"""Galleries of every tier with few references, and templates like real ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from govid.gallery import Hit
from govid.gallery.choose import Rules, Tier
from govid.gallery.recall import mated
from govid.gallery.tiered import TieredGallery

DIMENSION = 33
"""Odd, as real templates are."""
INDEXED = 3000
"""Enough for an index in these tests: ``small_indexes`` in conftest.py sees to it."""
ROOMY = 1 << 30


def templates(count: int, seed: int = 1, dimension: int = DIMENSION) -> np.ndarray:
    """Unit vectors around a common direction, as templates of one model lie."""
    rows = np.random.default_rng(seed).normal(size=(count, dimension)).astype(np.float32)
    rows[:, 0] += 2
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gallery(
    tier: Tier | None,
    folder: Path,
    *,
    floor: float = 0.98,
    budget: int = ROOMY,
    segment_rows: int = 512,
    model_id: str = "m",
) -> TieredGallery:
    """An empty gallery with small segments."""
    rules = Rules(tier, budget, floor, lambda _: 0.6)
    return TieredGallery(DIMENSION, model_id, rules, folder, segment_rows=segment_rows)


def filled(tier: Tier | None, folder: Path, count: int = INDEXED, **options: object) -> TieredGallery:
    """The first ``count`` templates under the ids from 1, built."""
    made = gallery(tier, folder, **options)  # type: ignore[arg-type]
    made.add(range(1, count + 1), templates(count))
    made.settle()
    return made


def head() -> tuple[int, str]:
    """An audit row to bind a snapshot to."""
    return 7, "ab"


def holds(audit_id: int, digest: str) -> bool:
    """As a store says that has this row."""
    return (audit_id, digest) == head()


def ids(hits: list[list[Hit]]) -> list[list[int]]:
    """Who was found."""
    return [[hit.reference_id for hit in mine] for mine in hits]


def expected(
    rows: np.ndarray, probes: np.ndarray, k: int, *, threshold: float = -1.0, without: tuple[int, ...] = ()
) -> list[list[int]]:
    """Ids from 1 by brute force in double precision."""
    scores = probes.astype(np.float64) @ rows.astype(np.float64).T
    scores[:, [i - 1 for i in without]] = -2
    order = np.argsort(-scores, axis=1)[:, :k]
    return [[int(i) + 1 for i in mine if scores[p, i] >= threshold] for p, mine in enumerate(order)]


__all__ = [
    "DIMENSION",
    "INDEXED",
    "ROOMY",
    "expected",
    "filled",
    "gallery",
    "head",
    "holds",
    "ids",
    "mated",
    "templates",
]
