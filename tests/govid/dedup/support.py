"""Small galleries of random templates with planted duplicates, and the brute force that a job must equal."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govid import _core
from govid.audit import AuditRecord
from govid.calibration import Calibration
from govid.config import Settings
from govid.dedup import jobs
from govid.dedup.jobs import Dedup
from govid.dedup.results import DedupJob
from govid.profiles import active
from govid.store import NewReference
from govid.store.records import SqlStore, insert_reference, insert_subject
from govid.store.sqlite import SqliteStore
from govid.types import Reference, Template

PROFILE = active(Settings())[0]
AUDIT = AuditRecord(time=1.0, request_id="r", operation="enrol", outcome="ENROLLED")
Key = tuple[int, int]


def people(count: int, seed: int = 0) -> NDArray[np.float32]:
    """(count, dimension) float32 of unit norm: strangers of each other."""
    made = np.random.default_rng(seed).normal(size=(count, PROFILE.dimension)).astype(np.float32)
    return _core.l2_normalize(made)


def like(face: NDArray[np.float32], seed: int = 0, noise: float = 0.03) -> NDArray[np.float32]:
    """Another photo of the same person: a score of about 0.95."""
    return _core.l2_normalize(face + noise * people(1, seed)[0] * np.float32(np.sqrt(len(face))))


def enrol(store: SqlStore, faces: Sequence[NDArray[np.float32]], prefix: str = "s") -> list[int]:
    """A subject for each face, in one transaction; the ids of the references."""
    ids = []
    with store.database.writing() as connection:
        for number, face in enumerate(faces):
            new = NewReference(f"{prefix}{number}", Template(PROFILE.model_id, face), (), 1.0)
            reference = insert_subject(connection, store.vault, new)
            assert reference is not None
            ids.append(reference.reference_id)
    return ids


def add(store: SqlStore, subject: str, face: NDArray[np.float32], model_id: str = "") -> Reference:
    """One more reference."""
    with store.database.writing() as connection:
        template = Template(model_id or PROFILE.model_id, face)
        return insert_reference(connection, store.vault, NewReference(subject, template, (), 1.0), held=False)


def opened(folder: Path) -> SqliteStore:
    return SqliteStore(folder / "var" / "govid.sqlite3")


def dedup(store: SqlStore, *, range_size: int = 16, false_pairs: float = 10.0) -> Dedup:
    made = jobs.opened(Settings(dedup_false_pairs=false_pairs), store)
    return Dedup(made.store, made.profile, made.calibration, false_pairs, range_size)


def calibration(store: SqlStore) -> Calibration:
    return dedup(store).calibration


def done(work: Dedup, **options: int) -> DedupJob:
    """A job from its start to its end."""
    job = work.start(request_id="r", **options)
    return work.work(job.job_id, request_id="r")


def found(work: Dedup, job_id: int) -> dict[Key, float]:
    """The pairs of a job; each must be there once."""
    pairs = [pair for some in work.export(job_id) for pair in some]
    keys = [_key(pair.reference_a, pair.reference_b) for pair in pairs]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, (pair.score for pair in pairs), strict=True))


def brute_force(store: SqlStore, threshold: float) -> dict[Key, float]:
    """Every pair of references of different subjects, by one matrix."""
    ids, owners, rows = [], [], []
    for subject in store.subjects(after="", limit=100_000):
        for reference in store.references(subject):
            if reference.template.model_id == PROFILE.model_id:
                ids.append(reference.reference_id)
                owners.append(subject)
                rows.append(reference.template.embedding)
    matrix = np.stack(rows)
    scores = _core.cosine_block(matrix, matrix)
    return {
        _key(ids[i], ids[j]): float(scores[i, j])
        for i, j in zip(*np.nonzero(scores >= threshold), strict=True)
        if i < j and owners[i] != owners[j]
    }


def same_pairs(one: dict[Key, float], other: dict[Key, float]) -> bool:
    """Whether the pairs are the same, and their scores but for the last bits."""
    return one.keys() == other.keys() and all(abs(one[key] - other[key]) < 1e-6 for key in one)


def stopped_after(calls: int) -> tuple[threading.Event, object]:
    """An event, and a pause that sets it after some calls."""
    event = threading.Event()
    left = [calls]

    def pause() -> None:
        left[0] -= 1
        if left[0] <= 0:
            event.set()

    return event, pause


def _key(a: int, b: int) -> Key:
    return (min(a, b), max(a, b))
