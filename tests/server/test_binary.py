"""Bare photos and templates as application/octet-stream, the rest in the query."""

from __future__ import annotations

import base64

import httpx
import pytest

from tests.support import OBAMA, OBAMA_LATER, b64

BINARY = {"Content-Type": "application/octet-stream"}


def test_a_bare_photo_gives_the_answer_of_a_part(api: httpx.Client) -> None:
    made = api.post("/v1/subjects", params={"subject_id": "张三 & b"}, content=OBAMA, headers=BINARY)
    assert (made.status_code, made.json()["subject_id"]) == (201, "张三 & b")
    asked = {"subject_id": "张三 & b", "use_case": "hotel_checkin"}
    bare = api.post("/v1/verify", params=asked, content=OBAMA_LATER, headers=BINARY).json()
    part = api.post("/v1/verify", data=asked, files={"photo": OBAMA_LATER}).json()
    assert (bare["decision"], bare["score"]) == ("MATCH", part["score"])
    assert bare["use_case"] == "hotel_checkin"
    assert bare["quality"]


def test_a_bare_template_gives_the_answer_of_json(api: httpx.Client) -> None:
    api.post("/v1/subjects", json={"subject_id": "binary-template", "photo": b64(OBAMA)})
    made = api.post("/v1/embed", content=OBAMA_LATER, headers=BINARY).json()
    template = {k: made[k] for k in ("model_id", "embedding")}
    as_json = api.post("/v1/verify", json={"subject_id": "binary-template", "template": template}).json()
    data = base64.b64decode(made["embedding"])
    asked = {"subject_id": "binary-template", "model_id": made["model_id"]}
    bare = api.post("/v1/verify", params=asked, content=data, headers=BINARY).json()
    assert (bare["decision"], bare["score"]) == ("MATCH", as_json["score"])
    found = api.post(
        "/v1/identify",
        params={"model_id": made["model_id"], "max_candidates": 100},
        content=data,
        headers=BINARY,
    ).json()
    assert "binary-template" in {candidate["subject_id"] for candidate in found["candidates"]}


@pytest.mark.parametrize("limit", ["0", "101", "x", "", "1.5"])
def test_parameters_are_checked_like_fields(api: httpx.Client, limit: str) -> None:
    reply = api.post("/v1/identify", params={"max_candidates": limit}, content=OBAMA, headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-parameter")


@pytest.mark.parametrize("groups", ["guests", '["guests", "staff"]'])
def test_a_list_is_one_name_or_a_json_array(api: httpx.Client, groups: str) -> None:
    parameters = {"groups": groups, "max_candidates": "1"}
    reply = api.post("/v1/identify", params=parameters, content=OBAMA, headers=BINARY)
    assert (reply.status_code, reply.json()["gallery_size"]) == (200, 0)
    parts = api.post("/v1/identify", data=parameters, files={"photo": OBAMA})
    assert (parts.status_code, parts.json()["gallery_size"]) == (200, 0)


@pytest.mark.parametrize("groups", ["[", "[1]", '["a"', '{"a": 1}', "no such/group"])
def test_a_list_that_is_none_is_refused(api: httpx.Client, groups: str) -> None:
    reply = api.post("/v1/identify", params={"groups": groups}, content=OBAMA, headers=BINARY)
    assert reply.status_code in {400, 422}
    assert api.post("/v1/identify", data={"groups": groups}, files={"photo": OBAMA}).status_code in {400, 422}
