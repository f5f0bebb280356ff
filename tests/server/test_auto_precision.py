"""Servers on ``GOVID_PRECISION=auto``: new records, others, and a machine that lacks their precision."""

from __future__ import annotations

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import httpx
import pytest

from govid import Settings, precision
from govid.runtime import openvino_session
from tests import support
from tests.govid.migration.support import take_over
from tests.support import GOVID, OBAMA, OBAMA_LATER, wait_until

AUTO = {"GOVID_PRECISION": "auto"}
FORM = {"subject_id": "obama"}


def model_of(client: httpx.Client) -> tuple[str, str]:
    models = client.get("/v1/models").json()
    return models["template_precision"], models["template_model_id"]


@pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
def test_a_registry_begins_with_what_is_fast_and_is_followed_from_then_on(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    first, other = ("int8", "float32") if precision.has_fast_int8() else ("float32", "int8")
    with support.server(folder, **AUTO) as (client, _):
        assert model_of(client)[0] == first
        assert f"precision auto is {first}: nobody is enrolled" in (folder / "server.log").read_text()
        reply = client.post("/v1/subjects", data=FORM, files={"photo": OBAMA})
        assert (reply.status_code, reply.json()["model_id"]) == (201, model_of(client)[1])

        # A migration, which takes the registry to the precision that this machine would not have chosen.
        mine = Settings(data_dir=str(folder), precision=first)  # type: ignore[arg-type]
        new = Settings(data_dir=str(folder), precision=other)  # type: ignore[arg-type]
        take_over(mine, new)
        wait_until(lambda: client.get("/readyz").status_code == 503)
        reply = client.post("/v1/verify", data=FORM, files={"photo": OBAMA_LATER})
        assert (reply.status_code, reply.json()["slug"]) == (503, "model-not-serving")

    with support.server(folder, **AUTO) as (client, _):
        assert model_of(client)[0] == other
        assert f"precision auto is {other}: templates of " in (folder / "server.log").read_text()
        added = client.post("/v1/subjects/obama/references", files={"photo": OBAMA})
        assert added.status_code == 201
        found = client.post("/v1/verify", data=FORM, files={"photo": OBAMA_LATER}).json()
        assert (found["decision"], found["model_id"]) == ("MATCH", model_of(client)[1])

    # Back to int8, on a machine that only imitates it.
    if other == "float32":
        take_over(new, mine)
    refused = subprocess.run(
        [GOVID, "--data-dir", str(folder), "serve", "--json", "--port", "0"],
        check=False, capture_output=True, text=True, timeout=support.PATIENCE_SECONDS,
        env={**os.environ, **AUTO, "GOVID_RUNTIME": "onnxruntime"},
    )  # fmt: skip
    assert refused.returncode == 1
    told = json.loads(refused.stdout.splitlines()[-1])
    assert told["slug"] == "precision-unavailable"
    assert told["detail"].startswith("int8: only OpenVINO")


@pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")
@pytest.mark.skipif(not precision.has_fast_int8(), reason="without VNNI both servers come to float32")
def test_of_two_new_servers_that_chose_otherwise_one_enrols(
    tmp_path: Path, store_environment: dict[str, str]
) -> None:
    folder = support.data_dir(tmp_path / "var")
    environment = {**AUTO, **store_environment}
    with (
        support.server(folder, **environment) as (fast, _),
        support.server(folder, **environment, GOVID_RUNTIME="onnxruntime") as (plain, _),
    ):
        assert [model_of(client)[0] for client in (fast, plain)] == ["int8", "float32"]
        together = Barrier(2)

        def enrolled(client: httpx.Client, subject: str) -> httpx.Response:
            together.wait()
            return client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": OBAMA})

        with ThreadPoolExecutor(2) as pool:
            replies = list(pool.map(enrolled, (fast, plain), ("one", "two")))
        assert sorted(reply.status_code for reply in replies) == [201, 503]
        refused, loser = next(
            (r, c) for r, c in zip(replies, (fast, plain), strict=True) if r.status_code == 503
        )
        assert refused.json()["slug"] == "model-not-serving"
        again = loser.post("/v1/subjects", data={"subject_id": "three"}, files={"photo": OBAMA})
        assert (again.status_code, again.json()["slug"]) == (503, "model-not-serving")
        wait_until(lambda: loser.get("/readyz").status_code == 503)
