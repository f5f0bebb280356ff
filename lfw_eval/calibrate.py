"""Score <-> FMR table of the active pipeline, from all non-mated comparisons of a data set."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govid.calibration import MIN_COMPARISONS_ABOVE, Calibration
from govid.faces import FacePipeline
from lfw_eval import clusters
from lfw_eval.all_pairs import Exceedances, exceedances, non_mated_histogram, threshold_at
from lfw_eval.data import DataError, DataSet
from lfw_eval.embeddings import embed_all

_PER_DECADE = 10
# Below so many comparisons the pairs of people are listed and their squares subtracted. Above, the sums of
# the people outweigh them by far, and leaving them out raises the bound a little: the safe side.
_LISTED = 2_000_000


def calibrate(
    faces: FacePipeline, data: DataSet, cache: Path | None, *, data_set: str, progress: bool = True
) -> Calibration:
    """Compare every photo with every photo of another person and read the false match rate off.

    Raises:
        DataError: too few people to say anything.
    """
    people = data.people()
    photos = [photo for mine in people.values() for photo in mine]
    embeddings = embed_all(faces, photos, cache, progress=progress)
    kept = [photo for photo in photos if photo in embeddings.by_photo]
    if len({photo.parent for photo in kept}) < 2:
        raise DataError(f"{data.photos}: needs photos of at least two people, one folder each")
    matrix = np.stack([embeddings.by_photo[photo] for photo in kept])
    numbers = {name: number for number, name in enumerate(people)}
    owner = np.array([numbers[photo.parent.name] for photo in kept])
    counts = non_mated_histogram(matrix, owner)
    rates, scores, count = table(counts)
    if len(rates) < 2:
        raise DataError(f"{data.photos}: {count} non-mated comparisons support no rate below one half")
    listed_from = int(np.argmax(np.array(rates) * count <= _LISTED))
    high = exceedances(matrix, owner, np.array(scores), people=len(people), listed_from=listed_from)
    return Calibration(
        model_id=faces.model_id,
        pipeline=faces.name,
        data_set=data_set,
        data_set_digest=data.digest(photos),
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        people=len(people),
        photos=len(photos),
        failures_to_acquire=len(photos) - len(kept),
        non_mated_comparisons=count,
        supports=(
            f"FMR from {rates[0]:.2g} down to {rates[-1]:.2g}: above each threshold lie at least "
            f"{MIN_COMPARISONS_ABOVE} of {count:,} non-mated comparisons; nothing is extrapolated"
        ),
        fmr=rates,
        fmr_upper=upper_bounds(high, np.bincount(owner, minlength=len(people)), rates),
        score=scores,
    )


def table(counts: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Rates in tenths of a decade down to what the counts support, and a threshold that keeps each.

    Returns:
        Descending rates, ascending thresholds, and the number of comparisons.
    """
    total = int(counts.sum())
    rates, scores = [], []
    step = 3  # 10 ** -0.3 is one half
    while (rate := 10 ** (-step / _PER_DECADE)) * total >= MIN_COMPARISONS_ABOVE:
        rates.append(float(rate))
        scores.append(threshold_at(counts, rate))
        step += 1
    return tuple(rates), tuple(scores), total


def upper_bounds(
    high: Exceedances, photos: NDArray[np.integer], rates: tuple[float, ...]
) -> tuple[float, ...]:
    """The one-sided 95 % upper bound of the true rate at each threshold (``lfw_eval/clusters.py``).

    Args:
        photos: (people,) photos of each person.
        rates: the rates the thresholds keep; no bound is below its own.

    Returns:
        Bounds that never rise from one threshold to the next.
    """
    photos = photos.astype(np.float64)
    partners = photos * (photos.sum() - photos)
    total = int(partners.sum()) // 2
    all_squares = ((photos**2).sum() ** 2 - (photos**4).sum()) / 2
    keys = high.first.astype(np.int64) * len(photos) + high.second
    order = np.argsort(keys)
    keys, level = keys[order], high.level[order]
    bounds = []
    for place in range(len(rates)):
        events = int(high.by_person[:, place].sum()) // 2
        p = events / total
        sums = high.by_person[:, place] - p * partners
        squares = 0.0
        if place >= high.listed_from:
            pairs, c = np.unique(keys[level > place], return_counts=True)
            n = photos[pairs // len(photos)] * photos[pairs % len(photos)]
            squares = float((c**2 - 2 * p * c * n).sum() + p * p * all_squares)
        variance = clusters.variance(sums, partners, squares, total)
        upper = clusters.upper_bound(p, events, variance) if events else 0.0
        bounds.append(max(rates[place], upper))
    return tuple(float(bound) for bound in np.maximum.accumulate(bounds[::-1])[::-1])
