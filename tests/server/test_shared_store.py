"""Several server processes on the same records."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from govid.ledger import erasures
from govid.ledger.signing import read_verifier
from tests import support
from tests.support import BIDEN, OBAMA, OBAMA_LATER, b64


@pytest.fixture
def servers(tmp_path: Path, store_environment: dict[str, str]) -> Iterator[tuple[httpx.Client, httpx.Client]]:
    """Two of them."""
    folder = support.data_dir(tmp_path / "var")
    with (
        support.server(folder, **store_environment) as (one, _),
        support.server(folder, **store_environment) as (other, _),
    ):
        yield one, other


def test_servers_see_each_others_enrolments_and_deletions_at_once(
    servers: tuple[httpx.Client, httpx.Client],
) -> None:
    one, other = servers
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


def test_servers_go_by_each_others_groups_and_references_at_once(
    servers: tuple[httpx.Client, httpx.Client],
) -> None:
    one, other = servers

    def found(client: httpx.Client, group: str) -> list[str]:
        search = {"photo": b64(OBAMA_LATER), "groups": [group]}
        answer = client.post("/v1/identify", json=search).json()
        return [candidate["subject_id"] for candidate in answer["candidates"]]

    enrolment = {"subject_id": "obama", "photo": b64(OBAMA), "groups": ["staff"]}
    first = one.post("/v1/subjects", json=enrolment).json()["reference_id"]
    assert (found(other, "staff"), found(other, "guests")) == (["obama"], [])
    for _ in range(2):
        changed = one.put("/v1/subjects/obama/groups", json={"groups": ["guests", "guests"]})
        assert (changed.status_code, changed.json()["groups"]) == (200, ["guests"])
        assert (found(other, "staff"), found(other, "guests")) == ([], ["obama"])
    rows = other.get("/v1/audit", params={"operation": "set_groups"}).json()["rows"]
    assert [row["record"]["note"] for row in rows] == [
        '["guests"] -> ["guests"]',
        '["staff"] -> ["guests"]',
    ]

    address = "/v1/subjects/obama/references"
    assert one.delete(f"{address}/{first}").json()["slug"] == "last-reference"
    one.post(address, files={"photo": OBAMA_LATER}).raise_for_status()
    key = {"Idempotency-Key": "gone"}
    gone, again = (one.delete(f"{address}/{first}", headers=key) for _ in range(2))
    assert (gone.status_code, gone.json()) == (200, again.json())
    assert again.headers["idempotency-replayed"] == "true"
    form, probe = {"subject_id": "obama"}, {"photo": OBAMA}
    searched = other.post("/v1/identify", files=probe).json()
    assert (searched["gallery_size"], searched["candidates"][0]["score"] < 0.99) == (1, True)
    verified = other.post("/v1/verify", data=form, files=probe).json()
    assert (verified["decision"], verified["comparisons"]) == ("MATCH", 1)
    (row,) = other.get("/v1/audit", params={"operation": "delete_reference", "outcome": "DELETED"}).json()[
        "rows"
    ]
    assert (row["record"]["reference_id"], row["record"]["subject_id"]) == (first, "obama")
    keys = read_verifier(other.get("/v1/receipts/keys").json())
    receipt = erasures.read(keys, gone.json()["receipt"])
    assert (receipt.reference, receipt.references, receipt.jti) == (first, 1, row["record"]["request_id"])
