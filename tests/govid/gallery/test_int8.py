"""The int8 tier finds what exact search finds, also where codes are coarse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tests.govid.gallery.support import DIMENSION, expected, gallery, ids


@pytest.mark.parametrize("seed", range(4))
def test_scores_that_codes_cannot_tell_apart(seed: int, tmp_path: Path) -> None:
    """Rows within a rounding error of each other, and one coordinate that takes most of the codes."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(1200, DIMENSION)) * 0.004
    rows[:, 1:3] += random.normal(size=2)
    rows[:, 0] = 3
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    made = gallery("int8", tmp_path)
    made.add(range(1, 1201), rows)
    made.build()
    probes = rows[:10]
    found = made.search(probes, 5)
    for mine, wanted, probe in zip(ids(found), expected(rows, probes, 5), probes, strict=True):
        scores = rows.astype(np.float64) @ probe.astype(np.float64)
        # Float32 itself cannot order scores that differ in the eighth digit.
        np.testing.assert_allclose(scores[np.array(mine) - 1], scores[np.array(wanted) - 1], atol=2e-7)
