from __future__ import annotations

import httpx
import numpy as np
import pytest

from tests.support import OBAMA, b64


@pytest.fixture(scope="module")
def model_id(api: httpx.Client) -> str:
    api.post("/v1/subjects", json={"subject_id": "template-target", "photo": b64(OBAMA)})
    return str(api.get("/v1/models").json()["template_model_id"])


def with_value(value: float, *, at: int = 77) -> bytes:
    """A template of 128 values and the constant, all plausible but for one."""
    embedding = np.full(129, 0.1, dtype="<f4")
    embedding[at] = value
    return embedding.tobytes()


HOSTILE = {
    "NaN": (with_value(np.nan), "template-not-finite"),
    "infinity": (with_value(-np.inf), "template-not-finite"),
    "zeros": (bytes(516), "template-zero-norm"),
    "short": (bytes(512), "template-wrong-length"),
    "long": (with_value(0.1) * 2, "template-wrong-length"),
    "odd": (bytes(515), "template-wrong-length"),
    # What every template has in common: it would look a little like everybody.
    "constant alone": (bytes(512) + np.float32(1).tobytes(), "template-implausible"),
    "too much constant": (with_value(0.6, at=128), "template-implausible"),
    "negative constant": (with_value(-0.1, at=128), "template-implausible"),
    "no constant": (with_value(0.0, at=128), "template-implausible"),
    "empty": (b"", "template-wrong-length"),
}


@pytest.mark.parametrize("path", ["/v1/verify", "/v1/identify", "/v1/subjects"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_template_is_refused_by_name(api: httpx.Client, model_id: str, name: str, path: str) -> None:
    data, slug = HOSTILE[name]
    body: dict[str, object] = {"template": {"model_id": model_id, "embedding": b64(data)}}
    if path != "/v1/identify":
        body["subject_id"] = "template-target" if path == "/v1/verify" else "template-new"
    reply = api.post(path, json=body)
    assert (reply.status_code, reply.json()["slug"]) == (422, slug)
    assert api.get("/v1/subjects/template-new").status_code == 404


def test_huge_and_tiny_values_are_numbers_like_others(api: httpx.Client, model_id: str) -> None:
    embedding = np.append(np.random.default_rng(0).normal(size=128), 4).astype("<f4")
    scores = []
    for scale in (1.0, 1e30, 1e-30):
        template = {"model_id": model_id, "embedding": b64((embedding * np.float32(scale)).tobytes())}
        reply = api.post("/v1/verify", json={"subject_id": "template-target", "template": template})
        scores.append(reply.json()["score"])
    assert scores[1:] == [pytest.approx(scores[0], abs=1e-5)] * 2


def test_a_template_of_another_model_is_never_compared(api: httpx.Client, model_id: str) -> None:
    for claimed in ("sface-2021dec-000000000000", "", model_id + " "):
        template = {"model_id": claimed, "embedding": b64(with_value(0.1))}
        reply = api.post("/v1/verify", json={"subject_id": "template-target", "template": template})
        assert reply.json()["slug"] == "template-wrong-model"


def test_exactly_one_of_photo_and_template(api: httpx.Client, model_id: str) -> None:
    template = {"model_id": model_id, "embedding": b64(with_value(0.1))}
    for body in ({}, {"photo": b64(OBAMA), "template": template}):
        reply = api.post("/v1/identify", json=body)
        assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-body")
