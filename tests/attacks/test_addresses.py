from __future__ import annotations

import httpx
import pytest

from tests.support import BIDEN, OBAMA, b64

SUBJECTS = {
    "empty": "",
    "too long": "x" * 129,
    "slash": "../../etc/passwd",
    "backslash": "..\\windows",
    "dot": ".",
    "dots": "..",
    "newline": "a\nb",
    "NUL": "a\0b",
    "escape": "a\x1b[2Jb",
    "right-to-left override": "a\u202eb",
    "zero width": "a\u200bb",
    "blank letter": "a\u3164",
    "variation selector": "a\ufe0f",
    "space at the end": "alice ",
    "decomposed": "e\u0301",
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_subject_id_without_a_plain_meaning_is_refused(api: httpx.Client, name: str) -> None:
    reply = api.post("/v1/subjects", json={"subject_id": SUBJECTS[name], "photo": b64(OBAMA)})
    assert (reply.status_code, reply.json()["slug"]) == (422, "invalid-subject-id")
    assert SUBJECTS[name] not in reply.json().get("detail", "") or not SUBJECTS[name]


@pytest.mark.parametrize(
    "path", ["/v1/subjects/%2e%2e%2fetc", "/v1/subjects/..%2f..%2fetc%2fpasswd", "/v1/subjects/%00"]
)
def test_a_path_in_an_address_reaches_nothing(api: httpx.Client, path: str) -> None:
    assert api.get(path).status_code in {404, 405, 422}


def test_unknown_subject(api: httpx.Client) -> None:
    for reply in (
        api.get("/v1/subjects/nobody"),
        api.delete("/v1/subjects/nobody"),
        api.post("/v1/subjects/nobody/references", files={"photo": OBAMA}),
        api.post("/v1/verify", json={"subject_id": "nobody", "photo": b64(OBAMA)}),
    ):
        assert (reply.status_code, reply.json()["slug"]) == (404, "unknown-subject")


def test_unknown_use_case(api: httpx.Client) -> None:
    body = {"reference_photo": b64(OBAMA), "probe_photo": b64(BIDEN), "use_case": "casino"}
    reply = api.post("/v1/compare", json=body)
    assert (reply.status_code, reply.json()["slug"]) == (422, "unknown-use-case")


def test_a_client_never_sets_a_threshold(api: httpx.Client) -> None:
    body = {"reference_photo": b64(OBAMA), "probe_photo": b64(BIDEN), "threshold": -1}
    assert api.post("/v1/compare", json=body).json()["slug"] == "unknown-field"


def test_unknown_addresses_and_methods(api: httpx.Client) -> None:
    for path in ("/", "/v2/verify", "/v1", "/.env", "/v1/verify/x", "/static/../../etc/passwd"):
        reply = api.get(path)
        assert (reply.status_code, reply.json()["slug"]) == (404, "not-found"), path
    wrong = api.get("/v1/verify")
    assert (wrong.status_code, wrong.json()["slug"]) == (405, "method-not-allowed")
    assert "POST" in wrong.headers["allow"]


@pytest.mark.parametrize("limit", ["0", "-1", "1001", "x", "1e9", ""])
def test_parameters_out_of_range(api: httpx.Client, limit: str) -> None:
    reply = api.get("/v1/subjects", params={"limit": limit})
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-parameter")


def test_a_key_cannot_be_used_for_another_request(api: httpx.Client) -> None:
    key = {"Idempotency-Key": "attack-reuse"}
    first = api.post("/v1/subjects", json={"subject_id": "reuse", "photo": b64(OBAMA)}, headers=key)
    assert first.status_code == 201
    for body in ({"subject_id": "reuse", "photo": b64(BIDEN)}, {"subject_id": "other", "photo": b64(OBAMA)}):
        reply = api.post("/v1/subjects", json=body, headers=key)
        assert (reply.status_code, reply.json()["slug"]) == (422, "idempotency-key-reused")
    deletion = api.delete("/v1/subjects/reuse", headers=key)
    assert deletion.json()["slug"] == "idempotency-key-reused"
    assert api.get("/v1/subjects/other").status_code == 404
    assert api.get("/v1/subjects/reuse").status_code == 200


@pytest.mark.parametrize("key", ["", "x" * 129, "a b"])
def test_a_nonsense_key_is_refused(api: httpx.Client, key: str) -> None:
    body = {"subject_id": "nonsense-key", "photo": b64(OBAMA)}
    reply = api.post("/v1/subjects", json=body, headers={"Idempotency-Key": key})
    assert (reply.status_code, reply.json()["slug"]) == (400, "invalid-idempotency-key")
    assert api.get("/v1/subjects/nonsense-key").status_code == 404


def test_a_header_given_twice_is_refused(api: httpx.Client) -> None:
    body = httpx.Request("POST", "http://x", json={"subject_id": "twice", "photo": b64(OBAMA)}).content
    json_type = ("Content-Type", "application/json")
    for headers, slug in (
        ([json_type, ("Idempotency-Key", "a"), ("Idempotency-Key", "b")], "invalid-idempotency-key"),
        ([json_type, ("Content-Type", "multipart/form-data")], "invalid-parameter"),
    ):
        reply = api.post("/v1/subjects", content=body, headers=headers)
        assert (reply.status_code, reply.json()["slug"]) == (400, slug)
    assert api.get("/v1/subjects/twice").status_code == 404
