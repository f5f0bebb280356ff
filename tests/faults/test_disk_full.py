"""The disk of the records fills up and has room again: no decision without its record, and nothing lost."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from tests import support
from tests.faults.registrar import Promises, model_id, registrars_at_work
from tests.faults.test_store_away import await_one_more
from tests.support import GOVID, MODELS, OBAMA, wait_until


@pytest.fixture
def folder(small_disk: Path) -> Path:
    """A data folder on a disk of 16 MiB; the models lie elsewhere."""
    (small_disk / "var").mkdir(mode=0o700)
    (small_disk / "var" / "models").symlink_to(MODELS)
    return small_disk / "var"


def fill(folder: Path) -> None:
    """Leave no room."""
    with (folder.parent / "filler").open("ab", buffering=0) as filler:
        while free := shutil.disk_usage(folder).free:
            with suppress(OSError):  # others write, too
                filler.write(bytes(free))


def make_room(folder: Path) -> None:
    (folder.parent / "filler").unlink()


def full(client: httpx.Client) -> bool:
    """Whether /readyz names the disk, and nothing else."""
    ready = client.get("/readyz")
    checks = ready.json()["checks"]
    assert checks.pop("disk") == "disk-low", "it is that small"
    store = checks.pop("store")
    assert set(checks.values()) == {"ok"}
    expected = (200, "ok") if ready.status_code == 200 else (503, "storage-full")
    assert (ready.status_code, store) == expected
    return ready.status_code == 503


def test_on_a_full_disk_no_decision_leaves_and_reads_go_on(folder: Path) -> None:
    with support.server(folder) as (client, process):
        client.post("/v1/subjects", data={"subject_id": "obama"}, files={"photo": OBAMA}).raise_for_status()
        added = client.post("/v1/subjects/obama/references", files={"photo": OBAMA})
        second = added.raise_for_status().json()
        embedding = client.post("/v1/embed", files={"photo": OBAMA}).json()["embedding"]
        template = {"model_id": model_id(client), "embedding": embedding}
        fill(folder)
        decided: set[str] = set()
        while True:
            reply = client.post("/v1/verify", json={"subject_id": "obama", "template": template})
            if reply.status_code != 200:
                break
            decided.add(reply.json()["request_id"])
        writes = [
            reply,
            client.post("/v1/identify", json={"template": template}),
            client.post("/v1/subjects", json={"subject_id": "new", "template": template}),
            client.put("/v1/subjects/obama/groups", json={"groups": ["staff"]}),
            client.delete(f"/v1/subjects/obama/references/{second['reference_id']}"),
            client.delete("/v1/subjects/obama"),
        ]
        for reply in writes:
            assert (reply.status_code, reply.json()["slug"]) == (503, "storage-full")
            assert int(reply.headers["retry-after"]) >= 1
            assert "space" in reply.json()["remedy"]
            assert "decision" not in reply.json()
        assert full(client)
        assert client.get("/healthz").status_code == 200
        assert client.get("/v1/subjects").json()["subjects"] == ["obama"]
        kept = client.get("/v1/subjects/obama").json()
        assert (len(kept["references"]), kept["groups"]) == (2, [])
        make_room(folder)
        assert not full(client), "without a restart, and before anybody writes"
        assert (
            client.post("/v1/verify", json={"subject_id": "obama", "template": template}).status_code == 200
        )
        assert client.delete("/v1/subjects/obama").status_code == 200
        rows = client.get("/v1/audit", params={"operation": "verify", "limit": 1000}).json()["rows"]
        assert decided <= {row["record"]["request_id"] for row in rows}
        assert len(rows) == len(decided) + 1
        assert process.poll() is None


@pytest.mark.slow
def test_a_disk_that_fills_up_under_load_loses_nothing(folder: Path) -> None:
    promises = Promises()
    with support.server(folder) as (client, process):
        for round_number in range(2):
            with registrars_at_work(client, round_number * 10, promises) as registrars:
                wait_until(lambda: all(registrar.acknowledged > 5 for registrar in registrars))
                fill(folder)
                wait_until(lambda: all(registrar.away for registrar in registrars))
                wait_until(lambda: full(client))
                make_room(folder)
                wait_until(lambda: not full(client))
                for registrar in registrars:
                    await_one_more(registrar)
            promises.check(client, random.Random(round_number))
        fill(folder)
        process.send_signal(signal.SIGKILL)
        process.wait()
        make_room(folder)
    with support.server(folder) as (client, _):
        promises.check(client, random.Random(7))
    examined = subprocess.run(
        [GOVID, "--data-dir", str(folder), "audit", "verify", "--json"], check=True, capture_output=True
    )
    assert json.loads(examined.stdout)["reason"] == ""
