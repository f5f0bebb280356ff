"""kill -9 at any moment: every acknowledged write is there, and nothing half-written is served."""

from __future__ import annotations

import random
import signal
import threading
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

from tests import support
from tests.support import b64

ROUNDS = 6
RNG = np.random.default_rng(7)


class Registrar:
    """Enrols and deletes as fast as it can, and remembers what was acknowledged."""

    def __init__(self, client: httpx.Client, model_id: str, number: int) -> None:
        self._client, self._model_id, self._number = client, model_id, number
        self.present: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        self.unknown: set[str] = set()
        self.failures: list[httpx.Response] = []

    def run(self) -> None:
        step = 0
        while True:
            step += 1
            subject = f"{self._number}-{step}"
            embedding = np.append(RNG.normal(size=128), 2).astype("<f4").tobytes()
            template = {"model_id": self._model_id, "embedding": b64(embedding)}
            self.unknown.add(subject)
            try:
                reply = self._client.post("/v1/subjects", json={"subject_id": subject, "template": template})
                if reply.status_code != 201:
                    self.failures.append(reply)
                    return
                self.unknown.discard(subject)
                self.present[subject] = embedding
                if step % 5 == 0:
                    victim = next(iter(self.present))
                    self.unknown.add(victim)
                    del self.present[victim]
                    self._client.delete(f"/v1/subjects/{victim}").raise_for_status()
                    self.unknown.discard(victim)
                    self.deleted.add(victim)
            except httpx.TransportError:
                return  # the server was killed: what was under way is neither promised nor forbidden


def everything(client: httpx.Client) -> set[str]:
    found: set[str] = set()
    after: str | None = ""
    while after is not None:
        page = client.get("/v1/subjects", params={"after": after, "limit": 1000}).json()
        found.update(page["subjects"])
        after = page["next_after"]
    return found


@pytest.mark.slow
def test_every_acknowledged_write_survives_kill_9(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    present: dict[str, bytes] = {}
    deleted: set[str] = set()
    unknown: set[str] = set()
    for round_number in range(ROUNDS):
        with support.server(folder) as (client, process):
            model_id = client.get("/v1/models").json()["template_model_id"]
            there = everything(client)
            assert set(present) <= there
            assert not deleted & there
            assert there <= set(present) | unknown
            for subject in random.Random(round_number).sample(sorted(present), min(10, len(present))):
                template = {"model_id": model_id, "embedding": b64(present[subject])}
                found = client.post("/v1/identify", json={"template": template, "max_candidates": 1}).json()
                assert found["candidates"][0]["subject_id"] == subject
                assert found["candidates"][0]["score"] == pytest.approx(1, abs=1e-5)
            registrars = [Registrar(client, model_id, round_number * 10 + n) for n in range(3)]
            threads = [threading.Thread(target=registrar.run) for registrar in registrars]
            for thread in threads:
                thread.start()
            time.sleep(random.Random(round_number).uniform(0.2, 1.0))
            process.send_signal(signal.SIGKILL)
            process.wait()
            for thread in threads:
                thread.join()
        for registrar in registrars:
            assert registrar.failures == []
            present |= registrar.present
            deleted |= registrar.deleted
            unknown |= registrar.unknown
    assert len(present) > 20
    with support.server(folder) as (client, _):
        assert set(present) <= everything(client)
        assert not deleted & everything(client)
