"""Dedup jobs and their cases over HTTP."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from tests import support
from tests.support import b64

RNG = np.random.default_rng(11)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    folder = support.data_dir(tmp_path_factory.mktemp("dedup") / "var")
    with support.server(folder) as (client, _):
        yield client


def face() -> np.ndarray:
    return np.append(RNG.normal(size=128), 2).astype("<f4")


def enrol(api: httpx.Client, subject: str, embedding: np.ndarray) -> None:
    model_id = api.get("/v1/models").json()["template_model_id"]
    template = {"model_id": model_id, "embedding": b64(embedding.tobytes())}
    api.post("/v1/subjects", json={"subject_id": subject, "template": template}).raise_for_status()


def ended(api: httpx.Client, job_id: int) -> Any:  # noqa: ANN401
    """The job once it does not run any more."""
    support.wait_until(lambda: api.get(f"/v1/dedup/jobs/{job_id}").json()["state"] != "running")
    return api.get(f"/v1/dedup/jobs/{job_id}").json()


def test_from_an_empty_gallery_to_a_decided_case(api: httpx.Client) -> None:
    empty = api.post("/v1/dedup/jobs", json={})
    assert empty.status_code == 202
    assert (empty.json()["state"], empty.json()["blocks"]) == ("done", 0)

    one = face()
    enrol(api, "one", one)
    enrol(api, "=one", one + 0.1 * face())
    enrol(api, "other", face())
    started = api.post("/v1/dedup/jobs", json={"since_job": empty.json()["job_id"]}).json()
    assert started["kind"] == "incremental"
    job = ended(api, started["job_id"])
    assert (job["state"], job["pairs"], job["cases"], job["compared"]) == ("done", 1, 1, 3)
    assert job["expected_false_pairs"] == pytest.approx(job["fmr"] * job["comparisons"])
    assert api.get("/v1/dedup/jobs", params={"limit": 1}).json() == {
        "jobs": [job],
        "next_before": job["job_id"],
    }

    address = f"/v1/dedup/jobs/{job['job_id']}/export"
    exported = api.get(address)
    assert exported.headers["content-type"].startswith("application/x-ndjson")
    (pair,) = map(json.loads, exported.text.splitlines())
    assert (pair["subject_a"], pair["subject_b"]) == ("=one", "one")
    assert set(pair) == {"subject_a", "subject_b", "reference_a", "reference_b", "score", "case_id"}
    as_csv = api.get(address, params={"format": "csv"})
    assert as_csv.headers["content-type"] == "text/csv; charset=utf-8"
    (row,) = csv.DictReader(io.StringIO(as_csv.text))
    assert row["subject_a"] == "'=one"  # no formula for a spreadsheet
    assert float(row["score"]) == pair["score"]

    queue = api.get("/v1/cases").json()["cases"]
    assert [case["case_id"] for case in queue] == [pair["case_id"]]
    case = f"/v1/cases/{pair['case_id']}"
    assert api.get(case).json()["pairs"][0]["score"] == pair["score"]
    said = {"verdict": "twins", "adjudicator": "ann", "note": "birth records"}
    first = api.post(f"{case}/verdicts", json=said, headers={"Idempotency-Key": "v"})
    assert first.status_code == 200
    assert first.json()["settled"] == [{"subject_a": "=one", "subject_b": "one", "verdict": "twins"}]
    again = api.post(f"{case}/verdicts", json=said, headers={"Idempotency-Key": "v"})
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert api.get("/v1/cases").json()["cases"] == []
    assert api.get("/v1/cases", params={"state": "closed"}).json()["cases"][0]["closed_at"]
    refused = api.post(f"{case}/verdicts", json=said)
    assert (refused.status_code, refused.json()["slug"]) == (409, "case-closed")

    full = ended(api, api.post("/v1/dedup/jobs", json={}).json()["job_id"])
    assert (full["kind"], full["pairs"], full["cases"]) == ("full", 1, 0)
    for action in ("cancel", "resume"):
        refused = api.post(f"/v1/dedup/jobs/{full['job_id']}/{action}")
        assert (refused.status_code, refused.json()["slug"]) == (409, "job-ended")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "slug"),
    [
        ("GET", "/v1/dedup/jobs/999", None, 404, "unknown-job"),
        ("POST", "/v1/dedup/jobs/999/cancel", None, 404, "unknown-job"),
        ("POST", "/v1/dedup/jobs/999/resume", None, 404, "unknown-job"),
        ("GET", "/v1/dedup/jobs/999/export", None, 404, "unknown-job"),
        ("GET", "/v1/dedup/jobs/1/export?format=xml", None, 400, "invalid-parameter"),
        ("GET", "/v1/dedup/jobs/x", None, 404, "not-found"),
        ("GET", "/v1/dedup/jobs?limit=0", None, 400, "invalid-parameter"),
        ("POST", "/v1/dedup/jobs", {"threshold": 0.3}, 400, "unknown-field"),
        ("POST", "/v1/dedup/jobs", {"since_job": 999}, 404, "unknown-job"),
        ("POST", "/v1/dedup/jobs", {"since_reference": -1}, 400, "invalid-parameter"),
        ("POST", "/v1/dedup/jobs", {"since_job": 2**70}, 404, "unknown-job"),
        ("POST", "/v1/dedup/jobs", {"since_reference": -(2**70)}, 400, "invalid-parameter"),
        ("GET", f"/v1/dedup/jobs/{2**63}", None, 404, "unknown-job"),
        ("GET", "/v1/cases/999", None, 404, "unknown-case"),
        ("GET", f"/v1/cases/{2**63}", None, 404, "unknown-case"),
        ("GET", "/v1/cases?state=lost", None, 400, "invalid-parameter"),
        ("POST", "/v1/cases/999/verdicts", {"verdict": "same", "adjudicator": "a"}, 404, "unknown-case"),
        ("POST", "/v1/cases/1/verdicts", {"verdict": "maybe", "adjudicator": "a"}, 400, "invalid-body"),
        ("POST", "/v1/cases/1/verdicts", {"verdict": "same"}, 400, "invalid-parameter"),
        ("POST", "/v1/cases/1/verdicts", {"verdict": "same", "adjudicator": ""}, 400, "invalid-parameter"),
    ],
)
def test_a_bad_request_is_a_problem_with_its_slug(
    api: httpx.Client, method: str, path: str, body: object, status: int, slug: str
) -> None:
    reply = api.request(method, path, json=body) if body else api.request(method, path)
    assert (reply.status_code, reply.json()["slug"]) == (status, slug)
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_server_that_starts_goes_on_with_a_running_job(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    from tests.govid.dedup import support as galleries

    store = galleries.opened(tmp_path)
    galleries.enrol(store, galleries.people(40))
    job = galleries.dedup(store).start(request_id="r")
    store.close()
    with support.server(folder, GOVID_DEDUP_RESUME="false") as (client, _):
        refused = client.post("/v1/dedup/jobs", json={})
        assert (refused.status_code, refused.json()["slug"]) == (409, "job-running")
        assert refused.json()["job_id"] == job.job_id
        assert client.get(f"/v1/dedup/jobs/{job.job_id}").json()["blocks_done"] == 0
        for _ in range(2):
            cancelled = client.post(f"/v1/dedup/jobs/{job.job_id}/cancel")
            assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
        assert client.post(f"/v1/dedup/jobs/{job.job_id}/resume").status_code == 202
        assert ended(client, job.job_id)["state"] == "done"
    store = galleries.opened(tmp_path)
    job = galleries.dedup(store).start(request_id="r")
    store.close()
    with support.server(folder) as (client, _):
        assert ended(client, job.job_id)["state"] == "done"
