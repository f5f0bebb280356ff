"""Embeddings of many photos, computed once. What cannot be embedded is named, never left out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from govid import cores
from govid.errors import FaceNotDetected, Refusal, RefusedInput
from govid.faces import FacePipeline
from govid.timing import StageClock
from govid.types import Face, Image
from lfw_eval.cache import Outcome, Quality, cache_file, load, save
from lfw_eval.data import DataError

_SAVE_EVERY = 2000
_TIMED = 64
# A file that is no photo is a fault of the data set; a photo without a usable face is a result.
_NO_PHOTO = frozenset(kind.slug for kind in RefusedInput.__subclasses__())


@dataclass
class Embeddings:
    """What the pipeline made of each photo."""

    by_photo: dict[Path, NDArray[np.float32]] = field(default_factory=dict)
    quality: dict[Path, Quality] = field(default_factory=dict)
    failures: dict[Path, str] = field(default_factory=dict)
    """Photos without a template, with the slug of the refusal."""
    fresh: int = 0
    """How many were computed now and not read from the cache."""


def central_face(picture: Image, faces: list[Face]) -> Face:
    """LFW's rule: the labelled person is the face nearest the centre. The service refuses instead."""
    if not faces:
        raise FaceNotDetected
    centre = np.array([picture.shape[1], picture.shape[0]]) / 2
    return min(faces, key=lambda face: float(np.hypot(*(face.box[:2] + face.box[2:] / 2 - centre))))


def embed_all(
    faces: FacePipeline,
    photos: Iterable[Path],
    cache: Path | None,
    *,
    progress: bool = True,
    strict: bool = False,
) -> Embeddings:
    """Embed each photo, or read it from ``cache``. A file that cannot be read is a failure, not a crash.

    Raises:
        DataError: with ``strict``, the first photo that is missing or no photo.
    """
    file = cache_file(cache, faces) if cache else None
    known = load(file, faces.dimension) if file else {}
    keys, unreadable = _digests(photos)
    if strict and unreadable:
        photo, reason = next(iter(unreadable.items()))
        raise DataError(f"{photo}: {reason}")
    result = Embeddings(failures=unreadable)
    missing = [photo for photo, key in keys.items() if key not in known]
    result.fresh = len(missing)
    pool = ThreadPoolExecutor(cores.for_photos())
    try:
        pending = {pool.submit(_one, faces, photo): photo for photo in missing}
        bar = tqdm(
            as_completed(pending), total=len(pending), unit="photo", disable=not progress or not pending
        )
        for done, future in enumerate(bar, start=1):
            known[keys[pending[future]]] = outcome = future.result()
            if strict and outcome.refusal in _NO_PHOTO:
                break
            if file and done % _SAVE_EVERY == 0:
                save(file, known)
    finally:
        pool.shutdown(cancel_futures=True)
    if file and missing:
        save(file, known)

    for photo, key in keys.items():
        if key not in known:
            continue  # only after a break, which ends in the error of another photo
        outcome = known[key]
        if strict and outcome.refusal in _NO_PHOTO:
            raise DataError(f"{photo}: {outcome.refusal}")
        if outcome.refusal:
            result.failures[photo] = outcome.refusal
        else:
            result.by_photo[photo] = outcome.embedding
            result.quality[photo] = outcome.quality
    return result


def _digests(photos: Iterable[Path]) -> tuple[dict[Path, str], dict[Path, str]]:
    """SHA-256 of each photo, and why the others cannot be read."""
    keys, unreadable = {}, {}
    for photo in dict.fromkeys(photos):
        try:
            keys[photo] = hashlib.sha256(photo.read_bytes()).hexdigest()
        except OSError as error:
            unreadable[photo] = f"unreadable: {error.strerror}"
    return keys, unreadable


def _one(faces: FacePipeline, photo: Path) -> Outcome:
    try:
        sample = faces.sample(photo, choose=central_face)
    except Refusal as refusal:
        return Outcome(np.zeros(faces.dimension, dtype=np.float32), (), refusal.slug)
    return Outcome(sample.template.embedding, sample.quality)


def stage_times(faces: FacePipeline, photos: Sequence[Path]) -> tuple[dict[str, float], int]:
    """Mean milliseconds by stage of some photos, one after the other: a cached run has times as well.

    Returns:
        The times, with ``total`` last, and the number of photos.
    """
    some = list(photos)[:: max(1, len(photos) // _TIMED)][:_TIMED]
    sums: dict[str, float] = {}
    for photo in some:
        clock = StageClock()
        faces.sample(photo, clock, choose=central_face)
        for stage, spent in {**clock.stages, "total": clock.milliseconds}.items():
            sums[stage] = sums.get(stage, 0.0) + spent
    total = {"total": sums.pop("total")} if sums else {}
    return {stage: round(spent / len(some), 3) for stage, spent in {**sums, **total}.items()}, len(some)
