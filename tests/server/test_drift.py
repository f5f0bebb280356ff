from __future__ import annotations

from functools import partial
from pathlib import Path

import httpx

from tests import support
from tests.server.test_metrics import sample
from tests.support import BIDEN, OBAMA, OBAMA_LATER, wait_until


def verified(client: httpx.Client) -> None:
    for subject, photo in (("obama", OBAMA), ("biden", BIDEN)):
        client.post("/v1/subjects", data={"subject_id": subject}, files={"photo": photo}).raise_for_status()
    asked = {"subject_id": "obama", "use_case": "hotel_checkin"}
    assert client.post("/v1/verify", data=asked, files={"photo": OBAMA_LATER}).json()["decision"] == "MATCH"


def test_verifications_are_sampled_after_their_replies(tmp_path: Path) -> None:
    with support.server(support.data_dir(tmp_path / "var")) as (client, _):
        verified(client)
        sampled = partial(sample, client, "govid_nonmated_comparisons_total", use_case="hotel_checkin")
        wait_until(sampled)
        assert sampled() == 1
        assert sample(client, "govid_nonmated_above_total", use_case="hotel_checkin", fmr="0.001") == 0
        # No record is of the comparison, which nobody asked for.
        assert client.get("/v1/subjects/biden/uses").json()["uses"][0]["operation"] == "enrol"
        verified_again = client.post("/v1/verify", data={"subject_id": "obama"}, files={"photo": OBAMA_LATER})
        assert verified_again.status_code == 200
        assert sample(client, "govid_nonmated_comparisons_total") == 1, "the next one is due in ten seconds"


def test_sampling_can_be_turned_off(tmp_path: Path) -> None:
    with support.server(support.data_dir(tmp_path / "var"), GOVID_DRIFT_SECONDS="0") as (client, _):
        verified(client)
        assert sample(client, "govid_nonmated_comparisons_total") == 0
