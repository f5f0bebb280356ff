"""``python -m lfw_eval.dedup``: enrol every photo as a subject of its own, and see who is found twice.

The job is the product's own, on a store that is thrown away; the labels judge its pairs and clusters.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import new_request_id
from govid.config import Settings, load
from govid.dedup import clusters, jobs
from govid.dedup.results import DedupJob, DedupPair
from govid.faces import FacePipeline
from govid.store import NewReference
from govid.store.dedup import Pair
from govid.store.records import insert_subject
from govid.store.sqlite import SqliteStore
from govid.types import Template
from lfw_eval.data import DataError, locate
from lfw_eval.embeddings import Embeddings, embed_all

_SHOWN = 10


class DedupFigures(msgspec.Struct, frozen=True, kw_only=True):
    """What a job found, held against the labels. Photos without a template count as missed."""

    profile: str
    photos: int
    people: int
    failures_to_acquire: int
    threshold: float
    fmr: float
    supported: bool
    comparisons: int
    expected_false_pairs: float
    expected_false_pairs_upper: float
    pairs: int
    pairs_not_kept: Annotated[int, Meta(description="Beyond what a block keeps: neither found nor missed")]
    mated_pairs_found: int
    mated_pairs: Annotated[int, Meta(description="All there are, with those of photos without a template")]
    false_pairs: Annotated[int, Meta(description="Of two people, by the labels, of which some are wrong")]
    clusters: int
    wrong_clusters: Annotated[int, Meta(description="Of photos of more than one person: a wrong merge each")]
    people_in_wrong_clusters: int
    people_with_several_photos: int
    people_in_one_cluster: Annotated[int, Meta(description="All of whose photos hang together")]
    people_missed: Annotated[int, Meta(description="No two of whose photos were found")]
    cases: int
    milliseconds: Annotated[float, Meta(description="Of the job, without embedding and enrolment")]
    highest_false_pairs: tuple[tuple[str, str, float], ...]


def measure(
    faces: FacePipeline,
    settings: Settings,
    people: Mapping[str, Sequence[Path]],
    embeddings: Embeddings,
) -> DedupFigures:
    """Run a job over all photos and judge it."""
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "govid.sqlite3")
        try:
            _enrol(store, faces.model_id, embeddings)
            dedup = jobs.opened(settings, store)
            start = time.perf_counter()
            request_id = new_request_id()
            job = dedup.work(dedup.start(request_id=request_id).job_id, request_id=request_id, threads=2)
            spent = (time.perf_counter() - start) * 1e3
            pairs = [_whole(pair) for some in dedup.export(job.job_id) for pair in some]
        finally:
            store.close()
    return _judged(faces.profile.name, people, embeddings, job, pairs, spent)


def _enrol(store: SqliteStore, model_id: str, embeddings: Embeddings) -> None:
    with store.database.writing() as connection:
        for photo, embedding in embeddings.by_photo.items():
            new = NewReference(photo.stem, Template(model_id, embedding), (), time.time())
            insert_subject(connection, store.vault, new)


def _judged(
    profile: str,
    people: Mapping[str, Sequence[Path]],
    embeddings: Embeddings,
    job: DedupJob,
    pairs: Sequence[Pair],
    spent: float,
) -> DedupFigures:
    label = {photo.stem: person for person, photos in people.items() for photo in photos}
    false = [pair for pair in pairs if label[pair.subject_a] != label[pair.subject_b]]
    groups = _components(pairs)
    names = [{label[subject] for subject in group} for group in groups]
    wrong = [found for found in names if len(found) > 1]
    several = {person: photos for person, photos in people.items() if len(photos) > 1}
    # Of each person: how many photos the largest of their clusters holds.
    largest: Counter[str] = Counter()
    for group in groups:
        for person, count in Counter(label[subject] for subject in group).items():
            largest[person] = max(largest[person], count)
    highest = sorted(false, key=lambda pair: -pair.score)[:_SHOWN]
    return DedupFigures(
        profile=profile,
        photos=len(label),
        people=len(people),
        failures_to_acquire=len(embeddings.failures),
        threshold=job.threshold,
        fmr=job.fmr,
        supported=job.supported,
        comparisons=job.comparisons,
        expected_false_pairs=job.expected_false_pairs,
        expected_false_pairs_upper=job.expected_false_pairs_upper,
        pairs=len(pairs),
        pairs_not_kept=job.pairs_not_kept,
        mated_pairs_found=len(pairs) - len(false),
        mated_pairs=sum(len(photos) * (len(photos) - 1) // 2 for photos in people.values()),
        false_pairs=len(false),
        clusters=len(groups),
        wrong_clusters=len(wrong),
        people_in_wrong_clusters=len(set().union(*wrong)),
        people_with_several_photos=len(several),
        people_in_one_cluster=sum(largest[person] == len(photos) for person, photos in several.items()),
        people_missed=sum(largest[person] < 2 for person in several),
        cases=job.cases,
        milliseconds=round(spent, 1),
        highest_false_pairs=tuple((pair.subject_a, pair.subject_b, round(pair.score, 4)) for pair in highest),
    )


def _whole(pair: DedupPair) -> Pair:
    assert pair.score is not None  # hidden from callers of a server only
    return Pair(pair.subject_a, pair.subject_b, pair.reference_a, pair.reference_b, pair.score)


def _components(pairs: Sequence[Pair]) -> list[set[str]]:
    """The subjects of each cluster, however large."""
    found: dict[int, set[str]] = defaultdict(set)
    for number, (group, _) in enumerate(clusters.clusters(pairs, most=max(2, 2 * len(pairs)))):
        for pair in group:
            found[number].update((pair.subject_a, pair.subject_b))
    return list(found.values())


def text(figures: DedupFigures) -> str:
    """The figures for a person."""
    f = figures
    bound = "" if f.supported else " (the lowest the calibration supports)"
    return "\n".join(
        (
            f"{f.profile}: {f.photos:,} photos of {f.people:,} people, {f.failures_to_acquire} not embedded",
            f"  threshold {f.threshold:.4f}: FMR {f.fmr:.2g}{bound} in {f.comparisons:,} comparisons",
            f"  pairs found        {f.pairs:,} in {f.clusters:,} clusters and {f.cases:,} cases",
            f"  mated pairs        {f.mated_pairs_found:,} of {f.mated_pairs:,} found, "
            f"{f.mated_pairs - f.mated_pairs_found:,} missed",
            f"  false pairs        {f.false_pairs:,} by the labels, expected {f.expected_false_pairs:.1f} "
            f"(up to {f.expected_false_pairs_upper:.1f})",
            f"  wrong merges       {f.wrong_clusters:,} clusters of {f.people_in_wrong_clusters:,} people",
            f"  people             of {f.people_with_several_photos:,} with several photos "
            f"{f.people_in_one_cluster:,} are pairs in one cluster, {f.people_missed:,} are not found at all",
            f"  time               {f.milliseconds / 1e3:.1f} s",
            "  highest pairs that the labels call two people:",
            *(f"    {a}, {b}: {score:.4f}" for a, b, score in f.highest_false_pairs),
        )
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m lfw_eval.dedup", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of LFW, or with one sub-folder per person")
    parser.add_argument("--profile", choices=("fast", "high_assurance"), default="fast")
    parser.add_argument("--false-pairs", type=float, help="target of the job (default: the setting)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    (settings,) = load(Settings, overrides={"profile": given.profile})
    faces = FacePipeline(settings)
    try:
        people = locate(given.data).people()
    except DataError as error:
        parser.exit(1, f"{error}\n")
    photos = [photo for mine in people.values() for photo in mine]
    embeddings = embed_all(faces, photos, settings.evaluation_dir, progress=not given.json)
    if given.false_pairs is not None:
        # Only now: the embeddings of other settings have another cache.
        settings = msgspec.structs.replace(settings, dedup_false_pairs=given.false_pairs)
    figures = measure(faces, settings, people, embeddings)
    print(msgspec.json.encode(figures).decode() if given.json else text(figures))  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
