"""A list of pairs judged by the protocol of LFW, with intervals over people."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govid import _core
from lfw_eval.bootstrap import (
    Interval,
    accuracies,
    equal_error_rates,
    fnmrs_at_fmr,
    interval,
    resampled,
    widened,
)
from lfw_eval.curves import histogram_of, thinned
from lfw_eval.discard import discard_curve
from lfw_eval.embeddings import Embeddings
from lfw_eval.metrics import (
    accuracy,
    det_curve,
    equal_error_rate,
    fnmr_at_fmr,
)
from lfw_eval.protocol import Pair
from lfw_eval.results import Discard, Error, ErrorRate, Estimate, PairList, ScoreChange

FMR_TARGETS = (1e-2, 1e-3)
_LEAST_PASSING = 3
_WORST = 20

Replicates = NDArray[np.float64]


def pair_scores(pairs: list[Pair], embeddings: Embeddings) -> NDArray[np.float64]:
    """Comparison score of each pair; NaN where a photo gave no template or the line is malformed."""
    found = embeddings.by_photo
    return np.array(
        [
            _core.cosine(found[pair.first], found[pair.second])
            if pair.photos and pair.first in found and pair.second in found
            else np.nan
            for pair in pairs
        ]
    )


def score_change(pairs: list[Pair], embeddings: Embeddings, first: Embeddings) -> ScoreChange | None:
    """How far the scores lie from those of the first pipeline; None where no pair has both."""
    change = pair_scores(pairs, embeddings) - pair_scores(pairs, first)
    change = change[~np.isnan(change)]
    if not len(change):
        return None
    return ScoreChange(
        mean=float(change.mean()), deviation=float(change.std()), largest=float(np.abs(change).max())
    )


def evaluate_pairs(
    pairs: list[Pair], embeddings: Embeddings, root: Path, baseline: Replicates | None = None
) -> tuple[PairList, Replicates]:
    """Judge the pairs.

    Args:
        root: the folder photos are named relative to.
        baseline: what this function returned for the pipeline to compare with, from the same pairs.

    Returns:
        The result, and accuracy by replicate (first row the estimate) as a baseline for others.
    """
    scores = pair_scores(pairs, embeddings)
    mated = np.array([pair.mated for pair in pairs])
    fold = np.array([pair.fold for pair in pairs])
    protocol = accuracy(scores, mated, fold)
    thresholds = np.array(protocol.thresholds)[np.searchsorted(np.unique(fold), fold)]
    rates = [(target, fnmr_at_fmr(scores, mated, target)) for target in FMR_TARGETS]
    eer = equal_error_rate(scores, mated)

    people = [pair.people for pair in pairs]
    replicates = resampled(
        people,
        lambda times: np.stack(
            [
                accuracies(scores, mated, thresholds, times),
                equal_error_rates(scores, mated, times),
                *(fnmrs_at_fmr(scores, mated, target, times) for target in FMR_TARGETS),
            ]
        ),
    )
    mates = len({pair.people[0] for pair in pairs if pair.mated})
    everyone = len({name for names in people for name in names})
    wrong = widened(_mirrored(interval(replicates[0])), 1 - protocol.mean, everyone)
    own = np.append(protocol.mean, replicates[0])
    errors = _errors(pairs, scores, thresholds, root)
    return PairList(
        accuracy=_estimate(protocol.mean, _mirrored(wrong)),
        accuracy_standard_error=None if math.isnan(protocol.standard_error) else protocol.standard_error,
        accuracy_by_fold=protocol.by_fold,
        accuracy_difference=None if baseline is None else _difference(own, baseline),
        equal_error_rate=_estimate(eer, widened(interval(replicates[1]), eer, everyone)),
        error_rates=tuple(
            ErrorRate(
                fmr_target=target,
                fmr=rate.fmr,
                fnmr=_estimate(rate.fnmr, widened(interval(row), rate.fnmr, mates)),
                threshold=_finite(rate.threshold),
                supported=bool(target * np.count_nonzero(~mated) >= _LEAST_PASSING - 1e-9),
            )
            for (target, rate), row in zip(rates, replicates[2:], strict=True)
        ),
        pairs_with_a_failure=int(np.isnan(scores).sum()),
        det=thinned(*det_curve(scores, mated)),
        histogram=histogram_of(scores, mated),
        errors=tuple(error for kind in errors for error in kind[:_WORST]),
        errors_in_all=sum(map(len, errors)) + int(np.isnan(scores).sum()),
        discard=discards(pairs, scores, embeddings, rates[-1][1].threshold),
    ), own


def discards(
    pairs: list[Pair], scores: NDArray[np.float64], embeddings: Embeddings, threshold: float
) -> tuple[Discard, ...]:
    """The error-versus-discard curve of each quality measure, over the mated pairs."""
    mates = [number for number, pair in enumerate(pairs) if pair.mated]
    values = {
        photo: {measure.name: measure.value for measure in measures}
        for photo, measures in embeddings.quality.items()
    }
    names = list(dict.fromkeys(name for of_photo in values.values() for name in of_photo))
    curves = []
    for name in names:
        lower = np.array(
            [
                min(
                    (values.get(photo, {}).get(name, np.nan) for photo in pairs[number].photos),
                    default=np.nan,
                )
                for number in mates
            ],
            dtype=np.float64,
        )
        curves.append(discard_curve(name, lower, scores[mates], threshold))
    return tuple(curves)


def _errors(
    pairs: list[Pair], scores: NDArray[np.float64], thresholds: NDArray[np.float64], root: Path
) -> tuple[list[Error], list[Error]]:
    """False non-matches and false matches, each with the worst first; failures are listed as such."""
    kinds: dict[bool, list[tuple[float, Error]]] = {True: [], False: []}
    for pair, score, threshold in zip(pairs, scores, thresholds, strict=True):
        if np.isnan(score) or (score >= threshold) == pair.mated:
            continue
        kinds[pair.mated].append(
            (
                abs(score - threshold),
                Error(
                    kind="false non-match" if pair.mated else "false match",
                    first=pair.first.relative_to(root).as_posix(),
                    second=pair.second.relative_to(root).as_posix(),
                    score=float(score),
                    threshold=float(threshold),
                ),
            )
        )
    non_matches, matches = (
        [error for _, error in sorted(kinds[mated], key=lambda entry: -entry[0])] for mated in (True, False)
    )
    return non_matches, matches


def _difference(own: Replicates, baseline: Replicates) -> Estimate:
    difference = own - baseline
    return _estimate(float(difference[0]), interval(difference[1:]))


def _mirrored(bounds: Interval) -> Interval:
    return Interval(1 - bounds.high, 1 - bounds.low)


def _estimate(value: float, bounds: Interval) -> Estimate:
    return Estimate(value=value, low=bounds.low, high=bounds.high)


def _finite(threshold: float) -> float:
    """JSON has no infinity: a threshold nobody or everybody passes lies just outside the scores."""
    return min(max(threshold, -1.1), 1.1)
