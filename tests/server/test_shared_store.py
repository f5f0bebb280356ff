"""Several server processes on the same records."""

from __future__ import annotations

from pathlib import Path

from tests import support
from tests.support import BIDEN, OBAMA, OBAMA_LATER


def test_servers_see_each_others_enrolments_and_deletions_at_once(
    tmp_path: Path, store_environment: dict[str, str]
) -> None:
    folder = support.data_dir(tmp_path / "var")
    with (
        support.server(folder, **store_environment) as (one, _),
        support.server(folder, **store_environment) as (other, _),
    ):
        probe = {"photo": OBAMA_LATER}
        assert other.post("/v1/identify", files=probe).json()["decision"] == "NON_MATCH"
        form = {"subject_id": "obama"}
        assert one.post("/v1/subjects", data=form, files={"photo": OBAMA}).status_code == 201
        found = other.post("/v1/identify", files=probe).json()
        assert (found["candidates"][0]["subject_id"], found["gallery_size"]) == ("obama", 1)
        assert other.post("/v1/verify", data=form, files=probe).json()["decision"] == "MATCH"
        assert other.post("/v1/subjects", data=form, files={"photo": BIDEN}).status_code == 409
        assert other.delete("/v1/subjects/obama").status_code == 200
        gone = one.post("/v1/identify", files=probe).json()
        assert (gone["decision"], gone["gallery_size"]) == ("NON_MATCH", 0)
