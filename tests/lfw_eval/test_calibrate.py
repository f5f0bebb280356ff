from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from govid.faces import FacePipeline
from lfw_eval import all_pairs
from lfw_eval.all_pairs import exceedances, mated_scores, non_mated_histogram
from lfw_eval.calibrate import calibrate, table, upper_bounds
from lfw_eval.data import DataError, opened
from tests.lfw_eval.support import write_tree


def people_and_photos(
    rng: np.random.Generator, people: int, alike: float = 0.4
) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors of people some of whom look like everybody, with one to six photos each."""
    owner = np.repeat(np.arange(people), rng.integers(1, 7, people))
    faces = rng.normal(size=(people, 12)) / 12**0.5
    faces[:, 0] += np.abs(rng.normal(0, alike, people))
    matrix = faces[owner] + rng.normal(0, 0.05, (len(owner), 12))
    return (matrix / np.linalg.norm(matrix, axis=1, keepdims=True)).astype(np.float32), owner


@pytest.fixture(params=[7, 2048])
def _tile(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_pairs, "_TILE", request.param)


@pytest.mark.usefixtures("_tile")
def test_every_stranger_is_compared_once() -> None:
    matrix, owner = people_and_photos(np.random.default_rng(0), 15)
    order = np.random.default_rng(1).permutation(len(owner))
    matrix, owner = matrix[order], owner[order]
    pairs = [(i, j) for i in range(len(owner)) for j in range(i + 1, len(owner))]
    strangers = [(i, j) for i, j in pairs if owner[i] != owner[j]]
    scores = np.array([float(matrix[i] @ matrix[j]) for i, j in strangers])
    counts = non_mated_histogram(matrix, owner)
    assert counts.sum() == len(strangers)
    centre = (np.searchsorted(np.cumsum(counts), counts.sum() / 2) + 0.5) * 2 / len(counts) - 1
    assert centre == pytest.approx(np.median(scores), abs=0.02)

    thresholds = np.array([0.1, 0.3, 0.5])
    high = exceedances(matrix, owner, thresholds, people=15, listed_from=1)
    for place, threshold in enumerate(thresholds):
        above = [pair for pair, score in zip(strangers, scores, strict=True) if score >= threshold]
        expected = np.bincount([owner[i] for pair in above for i in pair], minlength=15)
        np.testing.assert_array_equal(high.by_person[:, place], expected)
    assert len(high.level) == np.sum(scores >= 0.3)
    listed = sorted(zip(high.first[high.level > 2], high.second[high.level > 2], strict=True))
    assert listed == sorted(tuple(sorted((owner[i], owner[j]))) for i, j in above)

    mated, whose = mated_scores(matrix, owner)
    assert len(mated) == len(pairs) - len(strangers)
    assert mated.sum() == pytest.approx(sum(matrix[i] @ matrix[j] for i, j in pairs if owner[i] == owner[j]))
    np.testing.assert_array_equal(
        np.bincount(whose, minlength=15), [n * (n - 1) // 2 for n in np.bincount(owner, minlength=15)]
    )


def test_each_threshold_of_the_table_keeps_its_rate() -> None:
    rng = np.random.default_rng(0)
    scores = np.clip(rng.normal(0, 0.1, 100_000), -1, 1)
    counts = np.bincount(((scores + 1) * 100_000).astype(int), minlength=200_000)
    rates, thresholds, total = table(counts)
    assert total == 100_000
    assert rates[-1] * total >= 30 > rates[-1] * total / 10**0.1
    for rate, threshold in zip(rates, thresholds, strict=True):
        assert np.mean(scores >= threshold + 1e-9) <= rate
        assert np.mean(scores >= threshold - 2e-4) > rate * 0.8


def test_the_upper_bounds_cover_the_true_rate_and_grow_with_dependence() -> None:
    rng = np.random.default_rng(2)
    crowd, owners = people_and_photos(rng, 3000)
    counts = non_mated_histogram(crowd, owners)
    truth = all_pairs.at_or_above(counts) / counts.sum()
    covered, widths = [], []
    for _ in range(40):
        matrix, owner = people_and_photos(rng, 200)
        rates, scores, _ = table(non_mated_histogram(matrix, owner))
        high = exceedances(matrix, owner, np.array(scores), people=200)
        bounds = np.array(upper_bounds(high, np.bincount(owner, minlength=200), rates))
        assert np.all(np.diff(bounds) <= 0)
        assert np.all(bounds >= rates)
        true = truth[np.round((np.array(scores) + 1) * (all_pairs.BINS / 2)).astype(int)]
        covered.append((true <= bounds)[:20])
        widths.append((bounds / rates)[:20])
    # 95 % in the long run; the people who look like everybody are rare, and some worlds have none.
    assert np.mean(covered) > 0.85
    # Had each comparison stood alone, the thousands of them above these thresholds would give 1.03.
    assert np.mean(widths) > 1.1


def test_too_few_people_support_no_rate(faces: FacePipeline, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="support no rate"):
        calibrate(faces, opened(write_tree(tmp_path)), None, data_set="tiny", progress=False)
