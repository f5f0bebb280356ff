"""Score <-> FMR table of the active pipeline, from all non-mated comparisons of a data set."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govid.calibration import MIN_COMPARISONS_ABOVE, Calibration
from govid.faces import FacePipeline
from lfw_eval.data import DataError, DataSet
from lfw_eval.embeddings import embed_all

_BINS = 200_000  # of 1e-5 of a score: finer than any threshold is ever told apart
_BLOCK = 2048
_PER_DECADE = 10


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
    rates, scores, count = table(non_mated_histogram(matrix, owner))
    if len(rates) < 2:
        raise DataError(f"{data.photos}: {count} non-mated comparisons support no rate below one half")
    return Calibration(
        model_id=faces.model_id,
        pipeline=faces.name,
        data_set=data_set,
        data_set_digest=_digest(data, photos),
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        people=len(people),
        photos=len(photos),
        failures_to_acquire=len(photos) - len(kept),
        non_mated_comparisons=count,
        fmr=rates,
        score=scores,
    )


def non_mated_histogram(matrix: NDArray[np.float32], owner: NDArray[np.integer]) -> NDArray[np.int64]:
    """Counts of the scores of all non-mated pairs, each pair once.

    Args:
        matrix: (n, dimension) float32 unit-norm embeddings.
        owner: (n,) the person of each row.

    Returns:
        (bins,) counts over [-1, 1].
    """
    counts = np.zeros(_BINS, dtype=np.int64)
    for start in range(0, len(matrix), _BLOCK):
        stop = min(start + _BLOCK, len(matrix))
        scores = matrix[start:stop] @ matrix[start:].T
        rows, columns = np.arange(start, stop)[:, None], np.arange(start, len(matrix))[None, :]
        strangers = (columns > rows) & (owner[start:stop, None] != owner[None, start:])
        place = ((scores[strangers] + 1) * (_BINS / 2)).astype(np.int64).clip(0, _BINS - 1)
        counts += np.bincount(place, minlength=_BINS)
    return counts


def table(counts: NDArray[np.int64]) -> tuple[tuple[float, ...], tuple[float, ...], int]:
    """Rates in tenths of a decade down to what the counts support, and a threshold that keeps each.

    Returns:
        Descending rates, ascending thresholds, and the number of comparisons.
    """
    total = int(counts.sum())
    at_or_above = np.cumsum(counts[::-1])[::-1]
    rates, scores = [], []
    step = 3  # 10 ** -0.3 is one half
    while (rate := 10 ** (-step / _PER_DECADE)) * total >= MIN_COMPARISONS_ABOVE:
        # The lower edge of the first bin from which no more than the rate lies above.
        edge = int(np.argmax(np.append(at_or_above, 0) <= rate * total))
        rates.append(float(rate))
        scores.append(float(edge * 2 / _BINS - 1))
        step += 1
    return tuple(rates), tuple(scores), total


def _digest(data: DataSet, photos: list[Path]) -> str:
    digest = hashlib.sha256()
    for photo in photos:
        digest.update(photo.relative_to(data.photos).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(photo.read_bytes()).digest())
    return digest.hexdigest()
