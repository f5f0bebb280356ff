"""The two photos of a case, where they are kept."""

from __future__ import annotations

import re
from pathlib import Path

from govid.callers import Scope
from tests import support
from tests.console.visitor import Tags, Visitor
from tests.server.access import bearer, caller, make_keys


def test_two_photos_stand_side_by_side_on_demand_and_each_look_is_recorded(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    keys = make_keys(folder, caller("officer", Scope.ENROL, Scope.ADJUDICATE, Scope.AUDIT))
    with support.server(folder, GOVID_ON_DUPLICATE="hold", GOVID_KEEP_PHOTOS_DAYS="10") as (client, _):
        officer = bearer(keys["officer"])
        for subject, photo in (("obama", support.OBAMA), ("again", support.OBAMA_LATER)):
            body = {"subject_id": subject, "photo": support.b64(photo)}
            assert client.post("/v1/subjects", json=body, headers=officer).status_code in {201, 202}
        visitor = Visitor(str(client.base_url))
        visitor.sign_in(keys["officer"])
        page = "/console/cases/1"
        before = visitor.get(page).text
        assert "data:image" not in before
        a, b = re.findall(r'name="reference_[ab]" value="(\d+)"', before)
        seen = visitor.submit(f"{page}/photos", {"reference_a": a, "reference_b": b}, page)
        photos = [tag for name, tag in Tags(seen.text).found if name == "img" and tag["alt"]]
        assert len(photos) == 2
        assert all((tag["src"] or "").startswith("data:image/jpeg;base64,/9j/") for tag in photos)
        assert len({tag["src"] for tag in photos}) == 2
        assert {"obama" in (tag["alt"] or "") for tag in photos} == {True, False}
        assert seen.headers["cache-control"] == "no-store"
        looks = "/v1/audit?operation=view_photo"
        rows = client.get(looks, headers=officer).json()["rows"]
        assert [(row["record"]["caller"], row["record"]["case_id"]) for row in rows] == [("officer", 1)] * 2
        none = visitor.submit(f"{page}/photos", {"reference_a": "4711", "reference_b": "x"}, page)
        assert none.status_code == 400
        visitor.submit(f"{page}/verdicts", {"verdict": "same"}, page)
        closed = visitor.submit(f"{page}/photos", {"reference_a": a, "reference_b": b}, page)
        assert closed.status_code == 409
        assert "this request changed nothing" in closed.text
        assert "data:image" not in closed.text
