from __future__ import annotations

import httpx

from tests.support import OBAMA, b64


def test_the_gallery_says_what_it_is(api: httpx.Client) -> None:
    before = api.get("/v1/gallery").json()
    assert before["tier"] == "exact"
    assert before["recall"] is None
    assert before["refused"] == ""
    api.post("/v1/subjects", json={"subject_id": "gallery", "photo": b64(OBAMA)}).raise_for_status()
    after = api.get("/v1/gallery").json()
    assert after["references"] == before["references"] + 1
    assert after["memory_bytes"] > before["memory_bytes"]
    assert api.post("/v1/gallery").status_code == 405
