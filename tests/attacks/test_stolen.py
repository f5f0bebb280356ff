"""What somebody has who copies the files of the records, and what somebody can do who writes to them."""

from __future__ import annotations

import base64
import json
import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests import support
from tests.support import BIDEN, GOVID, OBAMA, b64


def govid(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOVID, "--data-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_stolen_records_hold_no_face(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        made = base64.b64decode(client.post("/v1/embed", json={"photo": b64(OBAMA)}).json()["embedding"])
        headers = {"Idempotency-Key": "k"}
        enrolment = {"subject_id": "a", "photo": b64(OBAMA)}
        client.post("/v1/subjects", json=enrolment, headers=headers).raise_for_status()
        client.post("/v1/subjects/a/references", json={"photo": b64(OBAMA)}).raise_for_status()
        client.post(
            "/v1/compare", json={"reference_photo": b64(OBAMA), "probe_photo": b64(BIDEN)}
        ).raise_for_status()
        # With the log of the database, which holds what is not in the file yet.
        stolen = b"".join(file.read_bytes() for file in sorted(folder.glob("govid.sqlite3*")))
    halves = np.frombuffer(made, "<f4")
    traces = [
        made[:32],
        made[256:288],
        halves.astype("<f8").tobytes()[:32],
        halves.astype("<f2").tobytes()[:32],
        b64(made)[40:72].encode(),
        OBAMA[2000:2064],
        b64(OBAMA)[400:464].encode(),
    ]
    assert len(stolen) > 50_000
    assert [trace in stolen for trace in traces] == [False] * len(traces)


def test_records_serve_nobody_without_their_keys(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        client.post("/v1/subjects", json={"subject_id": "a", "photo": b64(OBAMA)}).raise_for_status()
    thief = support.data_dir(tmp_path / "thief")
    shutil.copy(folder / "govid.sqlite3", thief)
    for environment in ({}, {"GOVID_ENCRYPTION_KEYS": b64(bytes(32))}):
        for command in (
            ["vault", "status"],
            ["export", str(tmp_path / "out.ndjson")],
            ["serve", "--port", "0"],
        ):
            ended = govid(thief, *command, "--json", **environment)
            assert ended.returncode == 1, command
            assert "encryption-key-missing" in ended.stdout, command
    assert not (tmp_path / "out.ndjson").exists()
    assert not (thief / "keys" / "encryption.json").exists()  # a new key would hide that the old one is gone


@pytest.mark.parametrize(
    "tampering",
    [
        # Whoever writes to the records lets one person in as another, or brings an old photo up to date.
        "UPDATE reference SET subject_id = 'a' WHERE subject_id = 'b'",
        "UPDATE reference SET embedding = (SELECT embedding FROM reference WHERE subject_id = 'b')",
        "UPDATE subject_key SET wrapped = (SELECT wrapped FROM subject_key WHERE subject_id = 'b');"
        "UPDATE reference SET embedding = (SELECT embedding FROM reference WHERE subject_id = 'b')",
        "UPDATE reference SET created_at = created_at + 86400",
        "UPDATE reference SET embedding = substr(embedding, 1, 300)",
        "UPDATE subject_key SET wrapped = substr(wrapped, 1, 20)",
        "UPDATE reference SET embedding = randomblob(length(embedding))",
        "UPDATE reference SET embedding = 'a text', created_at = 'another'",
    ],
)
def test_tampered_records_match_nobody(tampering: str, tmp_path: Path, stolen: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    shutil.copytree(stolen, folder, dirs_exist_ok=True)
    with sqlite3.connect(folder / "govid.sqlite3") as attacker:
        attacker.executescript(tampering)
    ended = govid(folder, "verify", "a", str(support.SAMPLES / "biden-2010.jpg"), "--json")
    assert (ended.returncode, json.loads(ended.stdout)["slug"]) == (1, "seal-broken")


@pytest.fixture(scope="module")
def stolen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The records and keys of two subjects."""
    folder = support.data_dir(tmp_path_factory.mktemp("stolen") / "var")
    with support.server(folder) as (client, _):
        for subject, photo in (("a", OBAMA), ("b", BIDEN)):
            client.post("/v1/subjects", json={"subject_id": subject, "photo": b64(photo)}).raise_for_status()
    shutil.rmtree(folder / "models")
    return folder
