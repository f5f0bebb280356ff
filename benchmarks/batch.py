"""Many photos to templates, on all cores."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import local

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks import opencv_models, photos
from benchmarks.engines import opencv, ours
from benchmarks.harness import Call, Contender, Options, Pace, compare, main
from benchmarks.results import Table
from govid import cores
from govid.errors import Refusal
from lfw_eval.embeddings import central_face

CORES = cores.available()
_THREADS = cores.for_photos()
# The batch is compared with a pass one by one on its first photos: side by side must change nothing.
_CHECKED = 20
_TOLERANCE = 1e-5

Templates = list[NDArray[np.float32] | None]


def claim(options: Options) -> list[Table]:
    """Milliseconds per photo, all cores busy."""
    batch = photos.batch(options.data, 8 if options.quick else 500)
    contenders = [
        Contender("govid", f"FacePipeline.sample in {_THREADS} threads", partial(_govid, batch, "float32")),
        Contender("govid int8", "the same with SFace in int8", partial(_govid, batch, "int8")),
        Contender("govid bfloat16", "the same with SFace in bfloat16", partial(_govid, batch, "bfloat16")),
        Contender("OpenCV one by one", f"cv2.setNumThreads({CORES})", partial(_one_by_one, batch)),
        Contender("OpenCV in threads", f"{_THREADS} threads, networks each", partial(_in_threads, batch)),
    ]
    return [
        compare(
            "batch",
            f"{len(batch)} photos to templates on {CORES} cores",
            "ms",
            contenders,
            lambda _, answer: answer,
            # A pass takes seconds: fewer rounds, and one pass in each.
            Pace(2 if options.quick else 5, 0.0),
            items=len(batch),
            strict=False,
        )
    ]


def _govid(batch: Sequence[bytes], precision: str) -> Call:
    faces = ours.Engine(precision).faces

    def template(photo: bytes) -> NDArray[np.float32] | None:
        try:
            return faces.sample(photo, choose=central_face).template.embedding
        except Refusal:
            return None

    pool = ThreadPoolExecutor(_THREADS)
    return _checked(batch, template, lambda: list(pool.map(template, batch)))


def _one_by_one(batch: Sequence[bytes]) -> Call:
    engine = opencv_models.engine()

    def run() -> Templates:
        cv2.setNumThreads(CORES)
        try:
            return [engine.template(photo) for photo in batch]
        finally:
            cv2.setNumThreads(1)

    return _checked(batch, engine.template, run)


def _in_threads(batch: Sequence[bytes]) -> Call:
    engine = opencv_models.engine()
    mine = local()

    def template(photo: bytes) -> NDArray[np.float32] | None:
        if not hasattr(mine, "engine"):
            mine.engine = opencv_models.engine()
        own: opencv.Engine = mine.engine
        return own.template(photo)

    pool = ThreadPoolExecutor(_THREADS)
    return _checked(batch, engine.template, lambda: list(pool.map(template, batch)))


def _checked(
    batch: Sequence[bytes],
    template: Callable[[bytes], NDArray[np.float32] | None],
    run: Callable[[], Templates],
) -> Call:
    """A call that counts the templates; a photo without one is no success, nor is one that differs."""
    alone = [template(photo) for photo in batch[:_CHECKED]]

    def count() -> int:
        made = run()
        differing = sum(not _same(a, b) for a, b in zip(alone, made, strict=False))
        return sum(found is not None for found in made) - differing

    return partial(count)


def _same(a: NDArray[np.float32] | None, b: NDArray[np.float32] | None) -> bool:
    if a is None or b is None:
        return a is b
    return bool(np.abs(a - b).max() < _TOLERANCE * max(1.0, float(np.abs(a).max())))


if __name__ == "__main__":
    main(claim)
