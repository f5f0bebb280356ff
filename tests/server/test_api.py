"""The HTTP API as an integrator meets it: a real server process, JSON and multipart."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import numpy as np
import PIL.Image
import pytest

from govid.client import RefusedPhoto
from tests.conftest import Served
from tests.support import BIDEN, OBAMA, OBAMA_LATER, b64, encoded

BLANK = encoded(PIL.Image.new("RGB", (200, 200), (80, 120, 160)))


def enrol(api: httpx.Client, subject: str, photo: bytes = OBAMA, **headers: str) -> httpx.Response:
    return api.post("/v1/subjects", json={"subject_id": subject, "photo": b64(photo)}, headers=headers)


def test_enrol_verify_identify_delete(api: httpx.Client) -> None:
    made = enrol(api, "api-flow")
    assert made.status_code == 201
    assert made.json()["subject_id"] == "api-flow"

    mated = api.post("/v1/verify", json={"subject_id": "api-flow", "photo": b64(OBAMA_LATER)})
    stranger = api.post("/v1/verify", json={"subject_id": "api-flow", "photo": b64(BIDEN)})
    assert (mated.json()["decision"], stranger.json()["decision"]) == ("MATCH", "NON_MATCH")
    assert mated.json()["score"] >= mated.json()["threshold"] > stranger.json()["score"]
    assert mated.json()["fmr_at_score"] <= mated.json()["fmr_target"] < stranger.json()["fmr_at_score"]

    # Other tests enrol the same face here, and a list of candidates has an end.
    search = {"photo": b64(OBAMA_LATER), "subjects": ["api-flow"]}
    found = api.post("/v1/identify", json=search).json()
    assert found["decision"] == "MATCH"
    assert [candidate["subject_id"] for candidate in found["candidates"]] == ["api-flow"]

    assert api.delete("/v1/subjects/api-flow").status_code == 200
    assert api.get("/v1/subjects/api-flow").status_code == 404
    assert api.post("/v1/identify", json=search).json()["candidates"] == []


def test_multipart_and_json_give_the_same_answer(api: httpx.Client) -> None:
    enrol(api, "api-multipart")
    as_json = api.post("/v1/verify", json={"subject_id": "api-multipart", "photo": b64(OBAMA_LATER)})
    as_parts = api.post(
        "/v1/verify", data={"subject_id": "api-multipart"}, files={"photo": ("live.jpg", OBAMA_LATER)}
    )
    assert as_parts.status_code == 200
    assert as_parts.json()["score"] == as_json.json()["score"]


@pytest.mark.parametrize("which", ["reference", "probe"])
def test_a_refusal_says_which_of_two_photos_it_is_about(
    api: httpx.Client, served: Served, which: str
) -> None:
    photos = {"reference_photo": OBAMA, "probe_photo": OBAMA_LATER, f"{which}_photo": BLANK}
    reply = api.post("/v1/compare", files=photos)
    assert (reply.json()["slug"], reply.json()["photo"]) == ("face-not-detected", which)
    with served.client("desk") as client, pytest.raises(RefusedPhoto) as refused:
        client.compare(**photos)
    assert refused.value.photo == which
    alone = api.post("/v1/verify", data={"subject_id": "nobody"}, files={"photo": BLANK})
    assert "photo" not in alone.json()


def test_compare_two_photos(api: httpx.Client) -> None:
    files = {"reference_photo": ("a.jpg", OBAMA), "probe_photo": ("b.jpg", OBAMA_LATER)}
    reply = api.post("/v1/compare", files=files)
    assert reply.status_code == 200
    assert reply.json()["decision"] == "MATCH"
    assert reply.json()["subject_id"] is None


def test_a_template_replaces_its_photo(api: httpx.Client) -> None:
    enrol(api, "api-template")
    embedded = api.post("/v1/embed", files={"photo": OBAMA_LATER}).json()
    embedding = np.frombuffer(base64.b64decode(embedded["embedding"]), dtype="<f4")
    assert embedding.shape == (embedded["dimension"],)
    assert np.linalg.norm(embedding) == pytest.approx(1, abs=1e-6)

    template = {"model_id": embedded["model_id"], "embedding": embedded["embedding"]}
    by_template = api.post("/v1/verify", json={"subject_id": "api-template", "template": template})
    by_photo = api.post("/v1/verify", json={"subject_id": "api-template", "photo": b64(OBAMA_LATER)})
    assert by_template.json()["score"] == pytest.approx(by_photo.json()["score"], abs=1e-6)
    as_part = api.post(
        "/v1/verify",
        data={"subject_id": "api-template"},
        files={"template": (None, httpx.Request("POST", "http://x", json=template).content)},
    )
    assert as_part.json()["score"] == by_template.json()["score"]


def test_further_references_are_counted_and_bounded(api: httpx.Client) -> None:
    enrol(api, "api-references")
    added = api.post("/v1/subjects/api-references/references", files={"photo": OBAMA_LATER})
    assert added.status_code == 201
    held = api.get("/v1/subjects/api-references").json()
    assert len(held["references"]) == 2
    verified = api.post("/v1/verify", data={"subject_id": "api-references"}, files={"photo": OBAMA}).json()
    assert verified["comparisons"] == 2
    assert verified["score"] == pytest.approx(1, abs=1e-5)
    while (last := api.post("/v1/subjects/api-references/references", files={"photo": OBAMA})).is_success:
        pass
    assert last.json()["slug"] == "too-many-references"
    assert len(api.get("/v1/subjects/api-references").json()["references"]) == 10


def test_a_second_enrolment_of_the_same_face_is_reported(api: httpx.Client) -> None:
    enrol(api, "api-first", BIDEN)
    second = enrol(api, "api-second", BIDEN).json()
    assert "api-first" in {candidate["subject_id"] for candidate in second["possible_duplicates"]}


def test_subjects_are_listed_in_pages(api: httpx.Client) -> None:
    template = api.post("/v1/embed", files={"photo": OBAMA}).json()
    for number in range(5):
        body = {
            "subject_id": f"page-{number}",
            "template": {k: template[k] for k in ("model_id", "embedding")},
        }
        assert api.post("/v1/subjects", json=body).status_code == 201
    first = api.get("/v1/subjects", params={"after": "page-", "limit": 3}).json()
    assert first == {"subjects": ["page-0", "page-1", "page-2"], "next_after": "page-2"}
    second = api.get("/v1/subjects", params={"after": first["next_after"], "limit": 2}).json()
    assert second["subjects"] == ["page-3", "page-4"]
    refused = api.get("/v1/subjects", params={"after": "page\0"})
    assert (refused.status_code, refused.json()["slug"]) == (422, "invalid-subject-id")


@pytest.mark.parametrize("subject", ["张三 1990", "o'brien; drop table subject", "%2e%2e", "a?b#c&d=e", "🙂"])
def test_any_printable_name_is_a_subject(api: httpx.Client, subject: str) -> None:
    from urllib.parse import quote

    assert enrol(api, subject).status_code == 201
    address = f"/v1/subjects/{quote(subject, safe='')}"
    assert api.get(address).json()["subject_id"] == subject
    assert api.delete(address).json()["subject_id"] == subject


def test_every_reply_can_be_traced_and_timed(api: httpx.Client) -> None:
    enrol(api, "api-timing")
    reply = api.post("/v1/verify", json={"subject_id": "api-timing", "photo": b64(OBAMA_LATER)})
    body = reply.json()
    assert reply.headers["x-request-id"] == body["request_id"]
    assert body["model_id"].startswith("sface-")
    timing = dict(part.split(";dur=") for part in reply.headers["server-timing"].split(", "))
    assert list(timing) == [*body["stages"], "total"]
    assert {"decode", "detect", "align", "embed", "score", "decide", "audit"} <= set(timing)
    assert all(float(spent) >= 0 for spent in timing.values())


def test_the_same_key_gives_the_first_reply_again(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "8d3f2c1e-write"}
    first, second = enrol(api, "api-key", **key), enrol(api, "api-key", **key)
    assert (first.status_code, second.status_code) == (201, 201)
    assert {**first.json(), "stages": {}, "milliseconds": 0} == second.json()
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert len(api.get("/v1/subjects/api-key").json()["references"]) == 1
    assert enrol(api, "api-key").json()["slug"] == "subject-exists"

    gone = {"Idempotency-Key": "8d3f2c1e-gone"}
    deletions = [api.delete("/v1/subjects/api-key", headers=gone) for _ in range(2)]
    assert [reply.status_code for reply in deletions] == [200, 200]
    assert deletions[0].json() == deletions[1].json()


def test_parallel_writes_under_one_key_write_once(api: httpx.Client) -> None:
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: enrol(api, "api-race", **{"Idempotency-Key": "race"}), range(8)))
    assert {reply.status_code for reply in replies} == {201}
    assert len({reply.json()["reference_id"] for reply in replies}) == 1


def test_parallel_answers_equal_serial_ones(api: httpx.Client) -> None:
    enrol(api, "api-parallel")
    bodies: list[dict[str, Any]] = [
        {"subject_id": "api-parallel", "photo": b64(photo)} for photo in (OBAMA, OBAMA_LATER, BIDEN)
    ] * 4

    def ask(body: dict[str, Any]) -> tuple[str, float]:
        reply = api.post("/v1/verify", json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["decision"], reply.json()["score"]

    serial = [ask(body) for body in bodies]
    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(ask, bodies)) == serial


def test_models_tell_their_licence(api: httpx.Client) -> None:
    listed = api.get("/v1/models").json()
    assert {model["kind"] for model in listed["models"]} == {"detector", "landmarks", "embedder"}
    assert all(model["licence"] and len(model["digest"]) == 64 for model in listed["models"])


def test_health_and_readiness(api: httpx.Client) -> None:
    assert api.get("/healthz").json()["status"] == "alive"
    assert set(api.get("/readyz").json()["checks"].values()) == {"ok"}
