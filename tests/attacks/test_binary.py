"""Bare bodies: what the query may say, and what the bytes may be."""

from __future__ import annotations

import httpx
import pytest

from tests.attacks.test_photos import HOSTILE as PHOTOS
from tests.attacks.test_templates import HOSTILE as TEMPLATES
from tests.attacks.test_templates import with_value
from tests.support import OBAMA, b64

BINARY = {"Content-Type": "application/octet-stream"}
TARGET = "subject_id=binary-target"


@pytest.fixture(scope="module")
def model_id(api: httpx.Client) -> str:
    api.post("/v1/subjects", json={"subject_id": "binary-target", "photo": b64(OBAMA)})
    return str(api.get("/v1/models").json()["template_model_id"])


QUERIES = {
    "no subject": "",
    "subject twice": f"{TARGET}&subject_id=other",
    "subject twice in disguise": f"{TARGET}&%73ubject_id=other",
    "unknown": f"{TARGET}&threshold=-1",
    "photo as a parameter": f"{TARGET}&photo=abc",
    "template as a parameter": f"{TARGET}&template=%7B%7D",
    "without a value": f"{TARGET}&use_case",
    "not UTF-8": "subject_id=%ff%fe",
    "half a surrogate": "subject_id=%ed%a0%80",
    "many": TARGET + "&a=1" * 5000,
    "empty pairs": f"{TARGET}&&",
    "another separator": f"{TARGET};use_case=general",
}


@pytest.mark.parametrize("name", QUERIES)
def test_hostile_query_is_refused(api: httpx.Client, model_id: str, name: str) -> None:
    reply = api.post(f"/v1/verify?{QUERIES[name]}", content=OBAMA, headers=BINARY)
    expected = {(400, "invalid-parameter")}
    if name == "another separator":  # the semicolon is a part of the name, as the standard has it
        expected = {(404, "unknown-subject")}
    assert (reply.status_code, reply.json()["slug"]) in expected
    assert len(reply.content) < 1000


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/subjects", "/v1/embed", "/v1/identify"])
def test_a_query_beside_a_body_with_fields_is_refused(api: httpx.Client, model_id: str, path: str) -> None:
    """Two places that name a subject: a gateway would check one, and we would take the other."""
    for body in ({"json": {"subject_id": "binary-target", "photo": b64(OBAMA)}}, {"files": {"photo": OBAMA}}):
        reply = api.post(f"{path}?subject_id=other", **body)  # type: ignore[arg-type]
        assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-parameter")


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/identify", "/v1/subjects"])
@pytest.mark.parametrize("name", TEMPLATES)
def test_hostile_bare_template_is_refused_by_name(
    api: httpx.Client, model_id: str, name: str, path: str
) -> None:
    data, slug = TEMPLATES[name]
    asked = {"model_id": model_id}
    if path != "/v1/identify":
        asked["subject_id"] = "binary-target" if path == "/v1/verify" else "binary-new"
    reply = api.post(path, params=asked, content=data, headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (422, slug)
    assert api.get("/v1/subjects/binary-new").status_code == 404


def test_a_bare_template_of_another_model_is_never_compared(api: httpx.Client, model_id: str) -> None:
    for claimed in ("sface-2021dec-000000000000", "", model_id + " ", "../" + model_id):
        asked = {"subject_id": "binary-target", "model_id": claimed}
        reply = api.post("/v1/verify", params=asked, content=with_value(0.1), headers=BINARY)
        assert (reply.status_code, reply.json()["slug"]) == (422, "template-wrong-model")


def test_a_template_without_its_model_is_taken_for_a_photo_and_refused(
    api: httpx.Client, model_id: str
) -> None:
    reply = api.post(
        "/v1/verify", params={"subject_id": "binary-target"}, content=with_value(0.1), headers=BINARY
    )
    assert (reply.status_code, reply.json()["slug"]) == (422, "photo-not-an-image")
    reply = api.post("/v1/embed", params={"model_id": model_id}, content=OBAMA, headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-parameter")


@pytest.mark.parametrize("name", PHOTOS)
def test_hostile_bare_photo_is_refused_by_name(api: httpx.Client, name: str) -> None:
    photo, status, slug = PHOTOS[name]
    reply = api.post("/v1/embed", content=photo, headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (status, slug)


def test_a_bare_giant_is_refused(api: httpx.Client) -> None:
    reply = api.post("/v1/embed", content=bytes(15 << 20), headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (413, "body-too-large")
    assert api.get("/healthz").status_code == 200


def test_two_photos_need_names(api: httpx.Client) -> None:
    reply = api.post("/v1/compare", content=OBAMA + OBAMA, headers=BINARY)
    assert (reply.status_code, reply.json()["slug"]) == (415, "unsupported-content-type")
