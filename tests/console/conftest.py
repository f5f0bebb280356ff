"""A server with something to look at, and people who may see parts of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from govid.callers import Scope, Sight
from tests import support
from tests.console.visitor import Visitor
from tests.server.access import bearer, caller, make_keys

MARKUP = "<img src=x onerror=alert(1)>"
"""A subject id as an attacker would choose it: govid allows it, so pages have to bear it."""
EVERYTHING = (Scope.VERIFY, Scope.IDENTIFY, Scope.ENROL, Scope.ADJUDICATE, Scope.AUDIT, Scope.ADMIN)


@dataclass(frozen=True)
class Site:
    """A running server, its keys by the name of the party, and where it keeps its files."""

    address: str
    keys: dict[str, str]
    folder: Path
    api: httpx.Client

    def visitor(self, name: str = "", language: str = "en") -> Visitor:
        """A browser without a window; signed in if a party is named."""
        visitor = Visitor(self.address, language)
        if name:
            visitor.sign_in(self.keys[name])
        return visitor

    def new_case(self, subject: str) -> int:
        """A case that nobody has decided: this subject looks like one that is active."""
        reply = self.api.post(
            "/v1/subjects",
            json={"subject_id": subject, "photo": support.b64(support.OBAMA_LATER)},
            headers=bearer(self.keys["officer"]),
        )
        assert reply.status_code == 202, reply.text
        newest = self.api.get("/v1/cases?limit=1000", headers=bearer(self.keys["officer"])).json()["cases"][
            -1
        ]
        return int(newest["case_id"])


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One server for all tests that do not stop it. Each test decides cases of its own."""
    folder = support.data_dir(tmp_path_factory.mktemp("console") / "var")
    keys = make_keys(
        folder,
        caller("officer", *EVERYTHING, sees=Sight.EXACT),
        caller("second", Scope.ADJUDICATE),
        caller("auditor", Scope.AUDIT),
        caller("desk", Scope.VERIFY),
        caller("leaver", Scope.AUDIT),
        caller("guessed", Scope.AUDIT),
    )
    with support.server(folder, GOVID_ON_DUPLICATE="hold", GOVID_REQUEST_BURST="1000") as (client, _):
        site = Site(str(client.base_url), keys, folder, client)
        _seed(site)
        yield site


def _seed(site: Site) -> None:
    officer = bearer(site.keys["officer"])
    for subject, photo in (("obama", support.OBAMA), ("biden", support.BIDEN)):
        body = {"subject_id": subject, "photo": support.b64(photo)}
        assert site.api.post("/v1/subjects", json=body, headers=officer).status_code == 201
    for subject, photo in (("obama", support.OBAMA_LATER), ("biden", support.OBAMA_LATER)):
        body = {"subject_id": subject, "photo": support.b64(photo)}
        reply = site.api.post("/v1/verify", json=body, headers=officer).json()
        rating = {
            "receipt": reply["receipt"],
            "rating": "bad",
            "text": f"{MARKUP} </textarea><script>1</script>",
        }
        address = f"/v1/receipts/{reply['request_id']}/feedback"
        assert site.api.post(address, json=rating).status_code == 201
    site.new_case(MARKUP)
