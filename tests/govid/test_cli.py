"""`govid` as a person types it: real processes, real exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests import support
from tests.support import GOVID, SAMPLES


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return support.data_dir(tmp_path_factory.mktemp("cli") / "var")


def govid(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [GOVID, "--data-dir", str(folder), *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )


def test_enrol_verify_identify(folder: Path) -> None:
    assert govid(folder, "enrol", "obama", str(SAMPLES / "obama-2012.jpg")).stdout.startswith("ENROLLED")
    verified = govid(folder, "verify", "obama", str(SAMPLES / "obama-2009.jpg"), "--json")
    assert verified.returncode == 0
    assert json.loads(verified.stdout)["decision"] == "MATCH"
    assert govid(folder, "verify", "obama", str(SAMPLES / "biden-2010.jpg")).stdout.startswith("NON_MATCH")
    identified = govid(folder, "identify", str(SAMPLES / "obama-2009.jpg"))
    assert identified.stdout.startswith("MATCH")
    assert "'obama'" in identified.stdout


def test_verify_shows_where_the_time_goes(folder: Path) -> None:
    shown = govid(folder, "verify", "obama", str(SAMPLES / "obama-2009.jpg"), "--profile").stdout
    rows = {line.split()[0]: float(line.split()[1]) for line in shown.splitlines()[1:]}
    total = rows.pop("total")
    assert {"reference", "decode", "detect", "landmarks", "align", "quality", "embed", "audit"} <= set(rows)
    assert sum(rows.values()) == pytest.approx(total, abs=0.01)


def test_a_refusal_is_one_line_with_its_slug_and_its_own_exit_code(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no photo")
    refused = govid(folder, "embed", str(tmp_path / "x.jpg"))
    assert refused.returncode == 3
    assert refused.stderr.startswith("govid: photo-not-an-image: ")
    assert refused.stderr.count("\n") == 1
    as_json = govid(folder, "verify", "nobody", str(SAMPLES / "obama-2012.jpg"), "--json")
    assert json.loads(as_json.stdout)["slug"] == "unknown-subject"


def test_embed_prints_a_template(folder: Path) -> None:
    made = json.loads(govid(folder, "embed", str(SAMPLES / "obama-2012.jpg"), "--json").stdout)
    assert made["dimension"] == 129
    assert made["model_id"].startswith("sface-")


def test_models(folder: Path, tmp_path: Path) -> None:
    listed = json.loads(govid(folder, "models", "list", "--json").stdout)
    assert {row["state"] for row in listed} == {"verified"}
    assert all(row["licence"] for row in listed)
    assert govid(folder, "models", "verify").returncode == 0
    pulled = govid(folder, "models", "pull", "all", "--json")
    assert all("present" in step for step in json.loads(pulled.stdout)["steps"])
    missing = govid(tmp_path, "models", "verify", "--json")
    assert missing.returncode == 1
    assert set(json.loads(missing.stdout).values()) == {"model-missing"}


def test_doctor_says_what_is_wrong(folder: Path, tmp_path: Path) -> None:
    sound = govid(folder, "doctor", "--json")
    assert sound.returncode == 0
    report = json.loads(sound.stdout)
    assert report["problems"] == []
    assert report["simd"] in report["simd_available"]
    sick = govid(tmp_path, "doctor")
    assert sick.returncode == 1
    assert "govid models pull" in sick.stdout


def test_a_wrong_setting_is_one_line(folder: Path) -> None:
    wrong = govid(folder, "doctor", GOVID_TRESHOLD="0.5")
    assert wrong.returncode == 1
    assert "GOVID_TRESHOLD" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_serve_refuses_what_it_cannot_do(folder: Path, tmp_path: Path) -> None:
    public = govid(folder, "serve", "--host", "0.0.0.0")
    assert public.returncode == 1
    assert "--behind-proxy" in public.stderr
    no_models = govid(tmp_path / "empty", "serve", "--port", "0")
    assert no_models.returncode == 1
    assert "govid models pull" in no_models.stderr
    with support.server(support.data_dir(tmp_path / "var")) as (client, _):
        taken = govid(folder, "serve", "--port", str(client.base_url.port))
    assert taken.returncode == 1
    assert "choose another port" in taken.stderr


@pytest.mark.parametrize("delay", [0.0, 0.15, 0.3])
def test_a_stop_that_was_asked_for_is_a_success_even_while_loading(folder: Path, delay: float) -> None:
    process = subprocess.Popen(
        [GOVID, "--data-dir", str(folder), "serve", "--json", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert "address" in process.stdout.readline()
    time.sleep(delay)
    process.terminate()
    assert process.wait(timeout=support.PATIENCE_SECONDS) == 0
    process.stdout.close()


def test_a_stop_does_not_wait_for_a_load_without_end(folder: Path) -> None:
    program = (
        "import threading; from server import service; service.DRAIN_SECONDS = 0.1;"
        "service.Service._load = lambda _: threading.Event().wait();"
        "from govid.cli import main; main()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, "--data-dir", str(folder), "serve", "--json", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    address = json.loads(process.stdout.readline())["address"]
    support.wait_until(lambda: answers(address))
    process.terminate()
    _, said = process.communicate(timeout=support.PATIENCE_SECONDS)
    assert (process.returncode, "stopped while still loading" in said) == (0, True)


def answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/healthz", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


def test_the_command_line_works_beside_a_running_server(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    with support.server(folder) as (client, _):
        enrolled = govid(folder, "enrol", "obama", str(SAMPLES / "obama-2012.jpg"), "--json")
        assert json.loads(enrolled.stdout)["subject_id"] == "obama"
        found = client.post("/v1/identify", files={"photo": support.OBAMA_LATER}).json()
        assert found["candidates"][0]["subject_id"] == "obama"
        client.delete("/v1/subjects/obama").raise_for_status()
        identified = govid(folder, "identify", str(SAMPLES / "obama-2009.jpg"), "--json")
        assert json.loads(identified.stdout)["decision"] == "NON_MATCH"


def test_a_wrong_instruction_set_is_said(folder: Path) -> None:
    wrong = govid(folder, "doctor", GOVID_ISA="mmx")
    assert wrong.returncode == 1
    assert "Traceback" not in wrong.stderr
