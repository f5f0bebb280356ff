"""kill -9 at any moment: every acknowledged write is there, and nothing half-written is served."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from tests import support
from tests.faults.registrar import Promises, registrars_at_work

ROUNDS = 6


@pytest.mark.slow
def test_every_acknowledged_write_survives_kill_9(tmp_path: Path, store_environment: dict[str, str]) -> None:
    folder = support.data_dir(tmp_path / "var")
    promises = Promises()
    for round_number in range(ROUNDS):
        chance = random.Random(round_number)
        with support.server(folder, **store_environment) as (client, process):
            promises.check(client, chance)
            with registrars_at_work(client, round_number * 10, promises):
                time.sleep(chance.uniform(0.2, 1.0))
                process.send_signal(signal.SIGKILL)
                process.wait()
    assert len(promises.present) > 20
    with support.server(folder, **store_environment) as (client, _):
        promises.check(client, random.Random(ROUNDS))
