"""kill -9 at any moment: every acknowledged write is there, and nothing half-written is served."""

from __future__ import annotations

import json
import random
import signal
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests import support
from tests.faults.registrar import Promises, everything, registrars_at_work
from tests.support import wait_until

# In SQLite, which runs in the process that is killed; PostgreSQL sees no more than a client go.
KILLS, KILLS_WITH_POSTGRESQL = 40, 10
ENOUGH = 150
"""Subjects, of whom about a tenth look like another: a busy machine needs more rounds for them."""


@pytest.mark.slow
def test_every_acknowledged_write_survives_kill_9(tmp_path: Path, store_environment: dict[str, str]) -> None:
    folder = support.data_dir(tmp_path / "var")
    chance = random.Random(0)
    promises = Promises()
    kills = KILLS_WITH_POSTGRESQL if store_environment else KILLS
    kill = 0
    while kill < kills or (len(promises.present) < ENOUGH and kill < 5 * kills):
        kill += 1
        with support.server(folder, **store_environment) as (client, process):
            promises.check(client, chance)
            # The job of an earlier round goes on; where it has ended a new one begins.
            client.post("/v1/dedup/jobs", json={})
            with registrars_at_work(client, kill * 10, promises):
                time.sleep(chance.uniform(0.05, 0.6))
                process.send_signal(signal.SIGKILL)
                process.wait()
    assert len(promises.present) >= ENOUGH
    with support.server(folder, **store_environment) as (client, _):
        promises.check(client, chance)
        _finish(client)
        client.post("/v1/dedup/jobs", json={}).raise_for_status()
        job = _finish(client)
        found = {
            _pair(line) for line in client.get(f"/v1/dedup/jobs/{job['job_id']}/export").text.splitlines()
        }
        sure, possible = _alike(client, promises, job["threshold"])
        assert len(sure) > 5
        assert sure <= found <= possible


def _finish(client: httpx.Client) -> dict[str, Any]:
    """The newest job, once it is done; every job before it is, too."""

    def jobs() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = client.get("/v1/dedup/jobs").json()["jobs"]
        return found

    wait_until(lambda: all(job["state"] == "done" for job in jobs()), pause=0.1)
    return jobs()[0]


def _pair(line: str) -> tuple[str, str]:
    pair = json.loads(line)
    return pair["subject_a"], pair["subject_b"]


def _alike(
    client: httpx.Client, promises: Promises, threshold: float
) -> tuple[set[tuple[str, str]], set[tuple[str, str]]]:
    """Pairs of enrolled subjects that are surely, or at most, above the threshold, by brute force."""
    subjects = sorted(everything(client))
    rows = np.stack([promises.faces[subject] for subject in subjects]).astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    scores = np.triu(rows @ rows.T, 1)
    sure, possible = (
        {(subjects[a], subjects[b]) for a, b in np.argwhere(scores >= threshold + margin)}
        for margin in (1e-5, -1e-5)
    )
    return sure, possible
