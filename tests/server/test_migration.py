"""A migration of a running installation to another model, with real photos, models and servers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import msgspec
import pytest

from govid import Engine, Settings, config, precision, profiles
from govid.errors import ModelNotServing
from govid.migration import steps
from govid.migration.reembed import BATCH
from govid.migration.report import Report
from govid.store.sqlite import SqliteStore
from tests import support
from tests.support import BIDEN, GOVID, OBAMA, OBAMA_LATER, wait_until

KEEP = {"GOVID_KEEP_PHOTOS_DAYS": "30", "GOVID_MIGRATION_SHADOW_FRACTION": "1"}
ALLOWED = {"GOVID_MIGRATION_LEAST_COMPARED": "3", "GOVID_MIGRATION_MOST_CHANGED": "1"}
CLONES = 11
"""Enrolled beside two people, so that a killed worker leaves something to do."""


@pytest.fixture(scope="module")
def new() -> dict[str, str]:
    """The settings of a model that this machine can run beside ``fast`` in float32."""
    if "int8" in precision.available(Settings()):
        return {"precision": "int8"}
    return {"profile": "high_assurance"}


def model_id(chosen: dict[str, str]) -> str:
    return profiles.active(config.load(config.Settings, environment={}, overrides=chosen)[0])[0].model_id


def command(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """``govid migrate`` with these words."""
    return subprocess.run(
        [GOVID, "--data-dir", str(folder), "migrate", *words, "--json"],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=600,
    )


def killed_while_embedding(folder: Path) -> int:
    """kill -9 of a worker in the middle of its second batch; its exit code."""
    script = f"""
import itertools, os, signal
from govid.cli import main
from govid.faces import FacePipeline
sample, calls = FacePipeline.sample, itertools.count(1)
def last(*given):
    if next(calls) > {BATCH} + 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return sample(*given)
FacePipeline.sample = last
main()
"""
    words = ["--data-dir", str(folder), "migrate", "embed", "--threads", "1", "--json"]
    return subprocess.run([sys.executable, "-c", script, *words], check=False, timeout=600).returncode


def answer(folder: Path, *words: str, **environment: str) -> dict[str, object]:
    done = command(folder, *words, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, object] = json.loads(done.stdout)
    return found


def count(folder: Path, table: str) -> int:
    store = SqliteStore(folder / "govid.sqlite3")
    with store.database.reading() as connection:
        (found,) = connection.row(f"SELECT count(*) FROM {table}") or (0,)
    store.close()
    return int(found)


def report(folder: Path) -> Report:
    store = SqliteStore(folder / "govid.sqlite3")
    found = steps.report(store, Settings(data_dir=str(folder)))
    store.close()
    return found


def enrol(client: httpx.Client, subject: str, photo: bytes) -> None:
    assert (
        client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": photo}).status_code == 201
    )


def verify(client: httpx.Client, subject: str) -> dict[str, object]:
    reply = client.post("/v1/verify", data={"subject_id": subject}, files={"photo": OBAMA_LATER})
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = reply.json()
    return found


def outcome(found: dict[str, object]) -> tuple[object, object, object]:
    return found["decision"], found["score"], found["model_id"]


def test_a_new_model_runs_beside_the_old_takes_over_and_gives_way(
    tmp_path: Path, new: dict[str, str]
) -> None:
    folder = support.data_dir(tmp_path / "var")
    old_id, new_id = model_id({}), model_id(new)
    options = [word for name, value in new.items() for word in (f"--{name}", value)]
    after = {f"GOVID_{name.upper()}": value for name, value in new.items()}

    with support.server(folder, **KEEP) as (client, _):
        enrol(client, "obama", OBAMA)
        for n in range(CLONES):
            enrol(client, f"clone-{n}", BIDEN)
        enrol(client, "goes", BIDEN)
        before = [verify(client, subject) for subject in ("obama", "clone-0")]
        assert [found["decision"] for found in before] == ["MATCH", "NON_MATCH"]

        assert answer(folder, "start", *options)["target_model_id"] == new_id
        assert killed_while_embedding(folder) == -signal.SIGKILL
        assert count(folder, "shadow_template") == BATCH
        assert report(folder).state == "embedding"

        assert client.delete("/v1/subjects/goes").status_code == 200
        assert answer(folder, "embed")["templates"] == CLONES + 1 - BATCH
        assert count(folder, "shadow_template") == CLONES + 1
        assert report(folder).state == "shadowing"

        # The server noticed meanwhile: who is enrolled now gets both templates.
        wait_until(lambda: "runs beside" in (folder / "server.log").read_text())
        enrol(client, "both", BIDEN)
        assert count(folder, "shadow_template") == CLONES + 2
        shadowed = [verify(client, subject) for subject in ("obama", "clone-0", "both")]
        assert [outcome(found) for found in shadowed[:2]] == [outcome(found) for found in before]
        wait_until(lambda: count(folder, "shadow_outcome") == 2)
        wait_until(lambda: report(folder).compared == 3)
        found = answer(folder, "report")
        assert (found["coverage"], found["state"]) == (1.0, "shadowing")
        (general,) = found["use_cases"]  # type: ignore[misc]
        assert (general["use_case"], general["unchanged"]["count"]) == ("general", 3)

        # Few decisions prove little, and the server with the old settings must not go on afterwards.
        refused = command(folder, "cut-over")
        assert refused.returncode == 1
        assert "3 decisions were compared where 1000" in json.loads(refused.stdout)["detail"]
        assert answer(folder, "cut-over", **ALLOWED)["serving_model_id"] == new_id
        wait_until(lambda: client.get("/readyz").status_code == 503)
        for path, form in (("/v1/verify", {"subject_id": "obama"}), ("/v1/identify", {})):
            reply = client.post(path, data=form, files={"photo": OBAMA_LATER})
            assert (reply.status_code, reply.json()["slug"]) == (503, "model-not-serving")

    settings = Settings(data_dir=str(folder))
    with pytest.raises(ModelNotServing, match=" ".join(f"{k}={v}" for k, v in after.items())):
        Engine(settings)

    with support.server(folder, **KEEP, **after) as (client, _):
        found = verify(client, "obama")
        assert (found["decision"], found["model_id"]) == ("MATCH", new_id)
        assert verify(client, "clone-0")["decision"] == "NON_MATCH"
        searched = client.post("/v1/identify", files={"photo": OBAMA_LATER}).json()
        assert [one["subject_id"] for one in searched["candidates"]] == ["obama"]
        assert (searched["gallery_size"], searched["model_id"]) == (CLONES + 2, new_id)
        enrol(client, "late", OBAMA)
        assert verify(client, "late")["model_id"] == new_id
        assert answer(folder, "roll-back")["serving_model_id"] == old_id
        wait_until(lambda: client.get("/readyz").status_code == 503)

    with pytest.raises(ModelNotServing):
        Engine(msgspec.convert({**msgspec.structs.asdict(settings), **new}, Settings))

    with Engine(settings) as engine:
        again = engine.verify("obama", OBAMA_LATER)
        assert (again.decision, again.score, again.model_id) == outcome(before[0])
        assert (engine.verify("late", OBAMA_LATER).model_id, engine.left_out) == (old_id, 0)
        assert len(engine.gallery) == CLONES + 3
        # No snapshot of before serves it.
        assert engine.gallery.model_id == f"{old_id} 2"  # type: ignore[attr-defined]
        engine.delete("late")
        assert count(folder, "shadow_template") == CLONES + 2

    assert answer(folder, "finish")["state"] == "finished"
    assert count(folder, "shadow_template") == 0
    store = SqliteStore(folder / "govid.sqlite3")
    with store.database.reading() as connection:
        audited = connection.rows("SELECT outcome FROM audit WHERE operation = 'migrate' ORDER BY audit_id")
    store.close()
    steps = [step for (step,) in audited]
    assert steps == ["STARTED", "EMBEDDED", "CUT_OVER", "ROLLED_BACK", "FINISHED"]
    with Engine(settings) as engine:
        assert engine.verify("obama", OBAMA_LATER).score == before[0]["score"]
