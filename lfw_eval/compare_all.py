"""All photos of a data set against each other, by group, at the thresholds an operator would use."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from govid import calibration, use_cases
from govid.calibration import MIN_COMPARISONS_ABOVE
from govid.errors import GovidError
from govid.faces import FacePipeline
from lfw_eval.all_pairs import (
    BINS,
    at_or_above,
    edge,
    exceedances,
    mated_scores,
    non_mated_histogram,
    threshold_at,
)
from lfw_eval.curves import score_histogram, thinned
from lfw_eval.data import DataError, DataSet
from lfw_eval.embeddings import Embeddings
from lfw_eval.groups import Population, group_table, missed_by_person
from lfw_eval.metadata import Metadata
from lfw_eval.results import AllPairs

FMR_TARGETS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
# Comparisons of strangers above a threshold that are kept one by one: 50 MB.
_MOST_LISTED = 5_000_000


def compare_all(
    faces: FacePipeline, data: DataSet, embeddings: Embeddings, metadata: Metadata, calibrations: Path
) -> AllPairs:
    """Compare, at the shipped threshold of the general use case and at FMRs read off these photos.

    Raises:
        DataError: templates of fewer than two people.
    """
    people = data.people()
    numbers = {name: number for number, name in enumerate(people)}
    kept = [photo for mine in people.values() for photo in mine if photo in embeddings.by_photo]
    owner = np.array([numbers[photo.parent.name] for photo in kept], dtype=np.int64)
    if len(np.unique(owner)) < 2:
        raise DataError(f"{data.photos}: needs photos with a face of at least two people, one folder each")
    matrix = np.stack([embeddings.by_photo[photo] for photo in kept])
    counts = non_mated_histogram(matrix, owner)
    total = int(counts.sum())
    scores, whose = mated_scores(matrix, owner)

    notes = list(metadata.problems)
    named: list[tuple[str, float]] = []
    try:
        table = calibration.load(faces.model_id, calibrations, pipeline=faces.name)
        fmr = use_cases.shipped("general").fmr
        if (shipped := table.threshold(fmr)) is not None:
            named.append((f"threshold of the calibration {table.calibration_id} at FMR {fmr:g}", shipped))
    except GovidError as error:
        notes.append(f"no threshold of a calibration: {error.detail}")
    for target in FMR_TARGETS:
        if target * total < MIN_COMPARISONS_ABOVE:
            notes.append(
                f"FMR {target:g}: {total:,} non-mated comparisons are too few to read a threshold off"
            )
        elif target * total <= _MOST_LISTED:
            named.append(
                (f"FMR {target:g} over all comparisons of these photos", threshold_at(counts, target))
            )
    named.sort(key=lambda entry: entry[1])
    thresholds = np.array([threshold for _, threshold in named])
    high = exceedances(matrix, owner, thresholds, people=len(people))

    photos = np.array([len(mine) for mine in people.values()])
    embedded = np.bincount(owner, minlength=len(people))
    failed = photos * (photos - 1) // 2 - embedded * (embedded - 1) // 2
    population = Population(
        photos=photos,
        embedded=embedded,
        missed=missed_by_person(scores, whose, failed, thresholds),
        groups={
            attribute: np.array([of[name] for name in people]) for attribute, of in metadata.groups.items()
        },
    )
    mated = np.bincount(((scores + 1) * (BINS / 2)).astype(np.int64).clip(0, BINS - 1), minlength=BINS)
    mated_total = int(population.mated.sum())
    fmrs = at_or_above(counts) / total
    fnmrs = 1 - at_or_above(mated) / max(1, mated_total)
    return AllPairs(
        people=len(people),
        photos=int(photos.sum()),
        mated_comparisons=mated_total,
        non_mated_comparisons=total,
        mated_with_a_failure=int(failed.sum()),
        det=thinned(fmrs, fnmrs),
        histogram=score_histogram(mated, counts, start=edge(0), width=edge(1) - edge(0)),
        tables=tuple(
            group_table(basis, threshold, place, population, high)
            for place, (basis, threshold) in enumerate(named)
        ),
        notes=tuple(notes),
    )
