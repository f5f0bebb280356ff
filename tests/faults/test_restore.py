"""A backup under load, the server killed, the backup restored into an empty folder: the same answers.

`make restore-test` does it with more load, for RESTORE_SECONDS.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests import support
from tests.faults.registrar import Promises, everything, model_id, registrars_at_work
from tests.faults.test_store_away import await_one_more
from tests.support import BIDEN, GOVID, OBAMA, OBAMA_LATER, b64, wait_until

SECONDS = float(os.environ.get("RESTORE_SECONDS", "1"))
# Of one call, or of how many are enrolled besides.
CHANGES = {"request_id", "receipt", "milliseconds", "stages"}


def govid(folder: Path, *arguments: str, fails: bool = False, **environment: str) -> dict[str, Any]:
    """What a command prints as JSON."""
    command = [GOVID, "--data-dir", str(folder), *arguments, "--json"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}
    )
    assert bool(done.returncode) == fails, done.stdout + done.stderr
    return dict(json.loads(done.stdout))


def enrol_who_stays(client: httpx.Client) -> None:
    """Those who are asked about: two people, and some who are numbers."""
    for subject, photo in (("obama", OBAMA), ("biden", BIDEN)):
        client.post(
            "/v1/subjects", json={"subject_id": subject, "photo": b64(photo), "groups": ["stays"]}
        ).raise_for_status()
    numbers = np.random.default_rng(3)
    for number in range(20):
        embedding = np.append(numbers.normal(size=128), 2).astype("<f4").tobytes()
        template = {"model_id": model_id(client), "embedding": b64(embedding)}
        client.post(
            "/v1/subjects", json={"subject_id": f"stays-{number}", "template": template, "groups": ["stays"]}
        ).raise_for_status()


def answers(client: httpx.Client) -> list[dict[str, Any]]:
    """To the same questions: decisions, scores, rates, qualities, to the last bit."""
    asked = [
        client.post("/v1/verify", json={"subject_id": subject, "photo": b64(photo)})
        for subject in ("obama", "biden")
        for photo in (OBAMA, OBAMA_LATER, BIDEN)
    ]
    asked += [
        client.post("/v1/identify", json={"photo": b64(photo), "groups": ["stays"], "max_candidates": 50})
        for photo in (OBAMA_LATER, BIDEN)
    ]
    asked.append(client.get("/v1/subjects/stays-7"))
    for reply in asked:
        reply.raise_for_status()
    return [{name: said for name, said in reply.json().items() if name not in CHANGES} for reply in asked]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_backup_under_load_gives_the_same_answers_elsewhere(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    def environment() -> dict[str, str]:
        if kind == "sqlite":
            return {}
        return {"GOVID_STORE_URL": request.getfixturevalue("postgresql").new_database()}

    here, there = environment(), environment()
    folder, backup, keys = support.data_dir(tmp_path / "var"), tmp_path / "backup", tmp_path / "keys.json"
    promises = Promises()
    with support.server(folder, **here) as (client, process):
        enrol_who_stays(client)
        with registrars_at_work(client, 1, promises) as registrars:
            time.sleep(SECONDS / 2)
            promised = {subject for registrar in registrars for subject in [*registrar.present]}
            made = govid(folder, "backup", "create", str(backup), "--with-keys", str(keys), **here)
            deleted = sum(len(registrar.deleted) for registrar in registrars)
            for registrar in registrars:
                await_one_more(registrar)
            wait_until(lambda: sum(len(registrar.deleted) for registrar in registrars) > deleted)
            time.sleep(SECONDS / 2)
        before = answers(client)
        published = client.get("/v1/receipts/keys").text
        process.send_signal(signal.SIGKILL)
        process.wait()
    (tmp_path / "published.json").write_text(published)
    checked = govid(
        tmp_path / "nowhere", "backup", "verify", str(backup), "--keys", f"{tmp_path}/published.json"
    )
    assert checked["moment"] == made["moment"]
    govid(folder, "audit", "export", f"{tmp_path}/newer.ndjson", **here)
    afterwards = {
        "sqlite": ("--erasures", str(folder / "keys" / "erasures.jws")),
        "postgresql": ("--newer-audit", f"{tmp_path}/newer.ndjson"),
    }

    target = support.data_dir(tmp_path / "new")
    restore = ("restore", str(backup), "--private-keys", str(keys), "--keys", f"{tmp_path}/published.json")
    refused = govid(target, *restore, fails=True, **there)
    assert refused["slug"] == "erasures-unknown"
    restored = govid(target, *restore, *afterwards[kind], **there)
    assert restored["erased"] > 0, "somebody was deleted after the backup"
    with support.server(target, **there) as (client, _):
        assert answers(client) == before
        found = {
            subject for subject in everything(client) if not subject.startswith(("stays", "obama", "biden"))
        }
        assert promised - promises.deleted <= found, "all that was acknowledged before the backup began"
        assert not promises.deleted & found, "whoever was erased stays erased"
        assert found <= set(promises.faces)
        promises.check_faces(client, sorted(found & set(promises.present)), random.Random(1))
    examined = govid(target, "audit", "verify", **there)
    assert examined["reason"] == ""
    assert examined["rows"] > made["moment"]["audit_position"]
