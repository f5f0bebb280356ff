from __future__ import annotations

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support import OBAMA, OBAMA_LATER, b64


def sample(api: httpx.Client, name: str, **labels: str) -> float:
    """Sum of all samples of that name which have these labels."""
    families = text_string_to_metric_families(api.get("/metrics").text)
    return sum(
        s.value
        for family in families
        for s in family.samples
        if s.name == name and labels.items() <= s.labels.items()
    )


def test_requests_decisions_stages_and_refusals_are_counted(api: httpx.Client) -> None:
    api.post("/v1/subjects", json={"subject_id": "metrics", "photo": b64(OBAMA)})
    labels = {"operation": "verify", "decision": "MATCH"}
    before = sample(api, "govid_decisions_total", **labels)
    refused = sample(api, "govid_refusals_total", slug="photo-not-an-image")
    api.post("/v1/verify", json={"subject_id": "metrics", "photo": b64(OBAMA_LATER)})
    api.post("/v1/verify", json={"subject_id": "metrics", "photo": b64(b"no photo")})
    assert sample(api, "govid_decisions_total", **labels) == before + 1
    assert sample(api, "govid_refusals_total", slug="photo-not-an-image") == refused + 1
    assert sample(api, "govid_stage_duration_seconds_count", operation="verify", stage="embed") >= 1
    assert sample(api, "govid_http_requests_total", route="/v1/verify", status="422") >= 1
    assert sample(api, "govid_gallery_references") >= 1
    assert sample(api, "govid_gallery_tier_info", tier="exact") == 1
    assert sample(api, "govid_gallery_memory_bytes") > 0
    assert sample(api, "govid_gallery_building") == 0
    assert sample(api, "govid_ready") == 1
    assert 'le="0.00025"' in api.get("/metrics").text


def test_a_scanner_cannot_fill_the_labels(api: httpx.Client) -> None:
    for number in range(20):
        api.get(f"/wp-admin/{number}")
    assert sample(api, "govid_http_requests_total", route="unmatched", status="404") >= 20
    assert "wp-admin" not in api.get("/metrics").text


def test_a_replay_is_counted_as_a_request_and_as_no_work(api: httpx.Client) -> None:
    body = {"subject_id": "metrics-replay", "photo": b64(OBAMA)}
    key = {"Idempotency-Key": "metrics-replay"}
    api.post("/v1/subjects", json=body, headers=key)
    embedded = sample(api, "govid_stage_duration_seconds_count", operation="enrol", stage="embed")
    assert api.post("/v1/subjects", json=body, headers=key).headers["idempotency-replayed"] == "true"
    assert sample(api, "govid_stage_duration_seconds_count", operation="enrol", stage="embed") == embedded
