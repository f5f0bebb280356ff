"""kill -9 of the processes that work on a dedup job: no pair is lost, and none is there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from govid.adjudication import Adjudication
from govid.dedup.jobs import Dedup
from tests.govid.dedup import support
from tests.support import GOVID, wait_until

KILLS = 8
PEOPLE = 990


def worker(folder: Path, job_id: int) -> subprocess.Popen[bytes]:
    """`govid dedup resume`, as a person or a service manager would start it again."""
    return subprocess.Popen(
        [GOVID, "--data-dir", str(folder), "dedup", "resume", str(job_id), "--json"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=dict(os.environ),
    )


def moved(work: Dedup, job_id: int, blocks: int) -> bool:
    """Wait until the job got on; False once it has ended."""

    def looked() -> bool:
        job = work.job(job_id)
        return job.state != "running" or job.blocks_done > blocks

    wait_until(looked, pause=0.01)
    return work.job(job_id).state == "running"


@pytest.mark.slow
def test_a_job_whose_processes_are_killed_equals_brute_force(tmp_path: Path) -> None:
    store = support.opened(tmp_path)
    faces = support.people(PEOPLE)
    # Everybody three times: about one pair in each block, so that a block without its pairs would show.
    for time_ in range(3):
        support.enrol(
            store, [support.like(face, time_ * PEOPLE + n) for n, face in enumerate(faces)], f"{time_}-"
        )
    work = support.dedup(store, range_size=40)
    job = work.start(request_id="r")
    assert job.blocks == 75 * 76 // 2
    chance = random.Random(5)
    kills = 0
    while kills < KILLS:
        before = work.job(job.job_id).blocks_done
        # Now and then two at once: the second one takes the ranges of the first, which must notice.
        processes = [worker(tmp_path / "var", job.job_id) for _ in range(chance.choice((1, 1, 2)))]
        going = moved(work, job.job_id, before)
        time.sleep(chance.uniform(0, 0.25))
        for process in processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        if not going:
            break
        kills += 1
    assert kills >= 3, "the job was too short to be killed"
    last = worker(tmp_path / "var", job.job_id)
    last.wait(timeout=600)
    done = work.job(job.job_id)
    assert done.state == "done"
    assert done.blocks_done == done.blocks
    assert done.compared == done.comparisons
    assert support.same_pairs(support.found(work, job.job_id), support.brute_force(store, job.threshold))
    cases = Adjudication(store.database).page(limit=1000).cases
    assert sorted(case.subjects for case in cases) == sorted(
        (f"0-{n}", f"1-{n}", f"2-{n}") for n in range(PEOPLE)
    )
    store.close()
