"""``python -m benchmarks.dedup``: N x N on a store of synthetic templates, from the plan to the cases.

Of each 1,000 subjects one is another with some noise: all of these must be found, and nobody else.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from govid import _core
from govid.audit import new_request_id
from govid.config import Settings
from govid.dedup import jobs
from govid.profiles import active
from govid.store import NewReference
from govid.store.records import insert_subject
from govid.store.sqlite import SqliteStore
from govid.types import Template

_BATCH = 10_000
_EVERY = 1000


def main() -> int:
    """The exit code is 1 if the job finds anything but what was planted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dedup", description=__doc__)
    parser.add_argument("--references", type=int, default=200_000)
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        store = SqliteStore(Path(folder) / "govid.sqlite3")
        planted = fill(store, given.references)
        dedup = jobs.opened(Settings(), store)
        start, cpu = time.perf_counter(), time.process_time()
        request_id = new_request_id()
        job = dedup.start(request_id=request_id)
        job = dedup.work(job.job_id, request_id=request_id, threads=given.threads)
        spent, cpu = time.perf_counter() - start, time.process_time() - cpu
        store.close()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{given.references:,} references of {dedup.profile.dimension} values, {given.threads} threads: "
        f"{job.compared:,} comparisons in {spent:.1f} s ({cpu:.1f} s of CPU), {memory:.0f} MiB at most; "
        f"{job.pairs} pairs found of {planted} planted, {job.cases} cases"
    )
    return int((job.pairs, job.cases) != (planted, planted))


def fill(store: SqliteStore, count: int) -> int:
    """Enrol ``count`` subjects; how many are there twice."""
    profile = active(Settings())[0]
    for first in range(0, count, _BATCH):
        rng = np.random.default_rng(first)
        faces = rng.normal(size=(min(_BATCH, count - first), profile.dimension)).astype(np.float32)
        faces[1::_EVERY] = faces[0::_EVERY][: len(faces[1::_EVERY])] + 0.3 * faces[1::_EVERY]
        with store.database.writing() as connection:
            for number, face in enumerate(_core.l2_normalize(faces), first):
                template = Template(profile.model_id, face)
                insert_subject(connection, store.vault, NewReference(str(number), template, (), time.time()))
    return sum(len(range(1, min(_BATCH, count - first), _EVERY)) for first in range(0, count, _BATCH))


if __name__ == "__main__":
    sys.exit(main())
