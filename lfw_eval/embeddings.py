"""Embeddings of many photos, computed once: a cache that knows photo, model and pipeline code."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import govid
from govid.config import private_folder
from govid.errors import FaceNotDetected, Refusal
from govid.faces import FacePipeline
from govid.timing import StageClock
from govid.types import Face, Image

_SAVE_EVERY = 2000
# A change of these files changes embeddings, and so must not find old ones.
_PIPELINE_CODE = (
    "decode.py",
    "detect.py",
    "align.py",
    "quality.py",
    "embed.py",
    "faces.py",
    "landmarks.py",
    "geometry.py",
)


@dataclass
class Embeddings:
    """What the pipeline made of each photo."""

    by_photo: dict[Path, NDArray[np.float32]]
    failures: dict[Path, str]
    """Photos without a template, with the slug of the refusal."""
    fresh: int
    """How many were computed now and not read from the cache."""
    milliseconds: dict[str, float] = field(default_factory=dict)
    """Mean time of one photo by stage, over the fresh ones."""


def central_face(picture: Image, faces: list[Face]) -> Face:
    """LFW's rule: the labelled person is the face nearest the centre. The service refuses instead."""
    if not faces:
        raise FaceNotDetected
    centre = np.array([picture.shape[1], picture.shape[0]]) / 2
    return min(faces, key=lambda face: float(np.hypot(*(face.box[:2] + face.box[2:] / 2 - centre))))


def embed_all(
    faces: FacePipeline, photos: Iterable[Path], cache: Path | None, *, progress: bool = True
) -> Embeddings:
    """Embed each photo, or read it from ``cache``. An unreadable file is a failure, not a crash."""
    wanted = list(dict.fromkeys(photos))
    file = cache / f"{_key(faces)}.npz" if cache else None
    known = _load(file, faces.dimension)
    result = Embeddings({}, {}, fresh=0)
    keys: dict[Path, str] = {}
    missing = []
    for photo in wanted:
        try:
            keys[photo] = hashlib.sha256(photo.read_bytes()).hexdigest()
        except OSError as error:
            result.failures[photo] = f"unreadable: {error.strerror}"
            continue
        if keys[photo] not in known:
            missing.append(photo)

    totals: dict[str, float] = {}
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        pending = {pool.submit(_one, faces, photo): photo for photo in missing}
        bar = tqdm(
            as_completed(pending), total=len(pending), unit="photo", disable=not progress or not pending
        )
        for done, future in enumerate(bar, start=1):
            outcome, stages = future.result()
            known[keys[pending[future]]] = outcome
            for stage, spent in stages.items():
                totals[stage] = totals.get(stage, 0.0) + spent
            if file and done % _SAVE_EVERY == 0:
                _save(file, known, faces.dimension)
    if file and missing:
        _save(file, known, faces.dimension)

    for photo, key in keys.items():
        outcome = known[key]
        if isinstance(outcome, str):
            result.failures[photo] = outcome
        else:
            result.by_photo[photo] = outcome
    result.fresh = len(missing)
    result.milliseconds = {stage: spent / len(missing) for stage, spent in totals.items()}
    return result


def _one(faces: FacePipeline, photo: Path) -> tuple[NDArray[np.float32] | str, dict[str, float]]:
    clock = StageClock()
    start = time.perf_counter()
    try:
        outcome: NDArray[np.float32] | str = faces.sample(
            photo, clock, choose=central_face
        ).template.embedding
    except Refusal as refusal:
        outcome = refusal.slug
    return outcome, {**clock.stages, "total": (time.perf_counter() - start) * 1e3}


def _key(faces: FacePipeline) -> str:
    digest = hashlib.sha256(faces.name.encode())
    for name in _PIPELINE_CODE:
        digest.update((Path(govid.__file__).parent / name).read_bytes())
    return f"{faces.model_id}-{digest.hexdigest()[:12]}"


def _load(file: Path | None, dimension: int) -> dict[str, NDArray[np.float32] | str]:
    if file is None or not file.exists():
        return {}
    with np.load(file, allow_pickle=False) as archive:
        keys, failures, matrix = archive["keys"], archive["failures"], archive["embeddings"]
    if matrix.shape != (len(keys), dimension):
        return {}
    return {
        str(key): str(failure) if failure else row
        for key, failure, row in zip(keys, failures, matrix, strict=True)
    }


def _save(file: Path, known: dict[str, NDArray[np.float32] | str], dimension: int) -> None:
    private_folder(file.parent)
    empty = np.zeros(dimension, dtype=np.float32)
    scratch = file.with_suffix(f".{os.getpid()}.tmp")
    with scratch.open("wb") as target:
        np.savez(
            target,
            keys=np.array(list(known)),
            failures=np.array([outcome if isinstance(outcome, str) else "" for outcome in known.values()]),
            embeddings=np.array(
                [empty if isinstance(outcome, str) else outcome for outcome in known.values()]
            ),
        )
    scratch.replace(file)
