from __future__ import annotations

import re
from collections.abc import Mapping

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.support import OBAMA, OBAMA_LATER, ROOT, b64

# Only a gallery with an index has these.
OF_AN_INDEX = {"govid_gallery_recall_at_1", "govid_gallery_recall_at_10", "govid_gallery_fnir"}


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


def documented() -> Mapping[str, set[str]]:
    """Labels of each metric in the table of docs/sre.md."""
    table = (ROOT / "docs" / "sre.md").read_text().partition("## Metrics")[2].partition("### Drift")[0]
    rows = re.findall(r"^\| `(govid_\w+)` \| (.*?) \|", table, re.MULTILINE)
    return {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}


def test_the_documented_names_and_labels_are_those_of_the_server(api: httpx.Client) -> None:
    api.post("/v1/subjects", json={"subject_id": "documented", "photo": b64(OBAMA)})
    api.post("/v1/verify", json={"subject_id": "documented", "photo": b64(OBAMA_LATER)})
    api.post("/v1/verify", json={"subject_id": "documented", "photo": b64(b"no photo")})
    text = api.get("/metrics").text
    names = set(re.findall(r"^# TYPE (govid_\w+) ", text, re.MULTILINE))
    assert names | OF_AN_INDEX == set(documented())
    for line in text.splitlines():
        if found := re.match(r"(govid_\w+?)(?:_bucket|_sum|_count)?(?:\{(.*)\})? ", line):
            labels = set(re.findall(r'(\w+)="', found[2] or "")) - {"le"}
            assert labels == documented().get(found[1], labels), line
    assert "process_resident_memory_bytes" in text


def test_requests_are_told_apart_by_use_case_and_scores_are_kept_by_it(api: httpx.Client) -> None:
    api.post("/v1/subjects", json={"subject_id": "by-use-case", "photo": b64(OBAMA)})
    labels = {"route": "/v1/verify", "use_case": "hotel_checkin"}
    before = sample(api, "govid_http_request_duration_seconds_count", **labels)
    asked = {"subject_id": "by-use-case", "photo": b64(OBAMA_LATER), "use_case": "hotel_checkin"}
    assert api.post("/v1/verify", json=asked).json()["decision"] == "MATCH"
    assert sample(api, "govid_http_request_duration_seconds_count", **labels) == before + 1
    assert sample(api, "govid_comparison_score_count", operation="verify", use_case="hotel_checkin") >= 1
    assert sample(api, "govid_use_case_fmr", use_case="hotel_checkin") == 1e-4
    assert sample(api, "govid_problems_total", slug="internal-error") == 0


def test_made_up_use_cases_cannot_fill_the_labels(api: httpx.Client) -> None:
    unknown = sample(api, "govid_http_requests_total", use_case="unknown")
    for number in range(5):
        for subject in ("somebody", "../no-subject"):
            asked = {"subject_id": subject, "photo": b64(OBAMA), "use_case": f"made-up-{number}"}
            assert api.post("/v1/verify", json=asked).status_code == 422
    assert sample(api, "govid_http_requests_total", use_case="unknown") == unknown + 10
    assert "made-up" not in api.get("/metrics").text
