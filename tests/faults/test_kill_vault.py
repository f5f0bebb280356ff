"""kill -9 while a store is sealed or its keys are rotated: nothing is lost, and the next start goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest

from govid import Settings
from govid.store import bulk
from govid.store.opening import open_store
from govid.store.records import SqlStore
from govid.vault import rotation
from tests.govid.vault.support import clear_again
from tests.support import GOVID

PEOPLE, KILLS = 12_000, 6


def filled(store: SqlStore) -> dict[int, bytes]:
    """Many subjects; the embedding of each reference."""
    rows = np.random.default_rng(1).normal(size=(PEOPLE, 16)).astype("<f4")
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    incoming = [
        bulk.Incoming(f"s{n:05}", (), False, "m", row.tobytes(), "[]", 1.0) for n, row in enumerate(rows)
    ]
    with store.database.writing() as connection:
        bulk.insert(connection, store.vault, incoming, max_references=1)
    return embeddings(store)


def embeddings(store: SqlStore) -> dict[int, bytes]:
    return {reference_id: made.embedding.tobytes() for reference_id, made in store.all_templates()[1]}


def killed(folder: Path, environment: dict[str, str], after: float, *command: str) -> bool:
    """Run a command and kill it after so many seconds; whether it was quicker."""
    process = subprocess.Popen(
        [GOVID, "--data-dir", str(folder), "vault", *command],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment},
    )
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGKILL)
        process.wait()
        return False
    return process.returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize("command", ["encrypt", "rotate"])
def test_what_kill_9_stops_goes_on(tmp_path: Path, store_environment: dict[str, str], command: str) -> None:
    settings = Settings(
        data_dir=str(tmp_path / "var"), store_url=store_environment.get("GOVID_STORE_URL", "")
    )
    store = open_store(settings)
    before = filled(store)
    if command == "encrypt":
        clear_again(store)
    store.close()
    chance = random.Random(2)
    # The first half a second loads Python.
    waits = [*(chance.uniform(0.5, 1.1) for _ in range(KILLS)), 120]
    assert any(killed(tmp_path / "var", store_environment, wait, command) for wait in waits)
    store = open_store(settings)
    assert embeddings(store) == before
    found = rotation.status(store.database, store.vault)
    assert found.sealed
    assert found.subjects_by_key == {found.current_key: PEOPLE}
    for key_id in found.unused_keys:
        rotation.destroy(store.database, store.vault, key_id)
    assert embeddings(store) == before
    store.close()
