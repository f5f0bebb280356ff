"""The answer to a complaint is for whoever holds the receipt of the decision, and for nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from govid.audit import AuditRecord
from govid.errors import InvalidParameter, InvalidReceipt, StoreUnavailable
from govid.ledger import receipts, rotation
from govid.ledger.ledger import Ledger
from govid.ledger.signing import load_signer
from govid.store.sqlite import SqliteStore
from tests.attacks.test_ledger import FORGED, read
from tests.support import OBAMA, OBAMA_LATER, b64

NOBODYS = "00000000-0000-4000-8000-000000000000"
SUBJECT, SAID, ANSWERED = "answers-attacked", "my neighbour was there", "we looked again"


class Decided(NamedTuple):
    """A decision, with what proves that it is one's own."""

    request_id: str
    receipt: str


class Two(NamedTuple):
    """Decisions of two people; the first one complained, and was answered."""

    answered: Decided
    other: Decided


@pytest.fixture(scope="module")
def two(api: httpx.Client) -> Two:
    api.post("/v1/subjects", json={"subject_id": SUBJECT, "photo": b64(OBAMA)})
    asked = {"subject_id": SUBJECT, "photo": b64(OBAMA_LATER)}
    replies = [api.post("/v1/verify", json=asked).json() for _ in range(2)]
    found = Two(*(Decided(one["request_id"], one["receipt"]) for one in replies))
    rating = {"receipt": found.answered.receipt, "rating": "bad", "text": SAID}
    rated = api.post(f"/v1/receipts/{found.answered.request_id}/feedback", json=rating).json()
    api.post(f"/v1/complaints/{rated['complaint_id']}/answer", json={"answer": ANSWERED}).raise_for_status()
    return found


def asked(api: httpx.Client, request_id: str, receipt: str) -> tuple[int, dict[str, Any]]:
    """Status and body of an answer, without what is another at each request."""
    reply = api.post(f"/v1/receipts/{request_id}/answers", json={"receipt": receipt})
    return reply.status_code, {**reply.json(), "request_id": ""}


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_receipt_reads_no_answer_and_tells_nothing(api: httpx.Client, two: Two, name: str) -> None:
    head, claims, signature = two.answered.receipt.split(".")
    forged = FORGED[name](read(head), read(claims), signature)
    status, said = asked(api, two.answered.request_id, forged)
    assert (status, said["slug"]) == (422, "invalid-receipt")
    # With a complaint, without one, and without any decision.
    assert asked(api, two.other.request_id, forged) == asked(api, NOBODYS, forged) == (status, said)


def test_the_receipt_of_another_decision_reads_no_answer(api: httpx.Client, two: Two) -> None:
    status, said = asked(api, two.answered.request_id, two.other.receipt)
    assert (status, said["slug"]) == (400, "invalid-parameter")
    assert asked(api, NOBODYS, two.other.receipt) == (status, said)
    for spelt in (two.answered.request_id.upper(), f"{two.answered.request_id} ", "%2e%2e"):
        reply = api.post(f"/v1/receipts/{spelt}/answers", json={"receipt": two.answered.receipt})
        assert reply.status_code in {400, 404, 422}, spelt


def test_an_answer_is_read_by_its_receipt_and_names_nobody(api: httpx.Client, two: Two) -> None:
    own = api.post(f"/v1/receipts/{two.answered.request_id}/answers", json={"receipt": two.answered.receipt})
    assert own.json()["state"] == "answered"
    assert [one["answer"] for one in own.json()["answers"]] == [ANSWERED]
    for word in (SAID, SUBJECT, "local", "closed_by"):
        assert word not in own.text
    status, said = asked(api, two.other.request_id, two.other.receipt)
    assert (status, said["state"], said["answers"], said["complaint_id"]) == (200, "none", [], None)


def test_a_receipt_in_an_address_is_not_taken(api: httpx.Client, two: Two) -> None:
    """Addresses are kept by proxies, logs and browsers."""
    address, receipt = f"/v1/receipts/{two.answered.request_id}/answers", two.answered.receipt
    assert api.get(address, params={"receipt": receipt}).status_code == 405
    for body in ({}, {"receipt": receipt}):
        refused = api.post(address, params={"receipt": receipt}, json=body)
        assert (refused.status_code, refused.json()["slug"]) == (400, "invalid-parameter")


def test_a_wrong_receipt_is_refused_without_a_look_at_the_complaints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the time of the refusal cannot tell whether there is one."""
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 1e9)
    store = SqliteStore(tmp_path / "govid.sqlite3")
    ledger = Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=1)
    record = AuditRecord(time=1.0, request_id="r1", operation="verify", outcome="MATCH")
    own = ledger.receipt(record, store.append_audit(record))
    foreign = receipts.issue(load_signer(tmp_path / "mine" / "signing.pem"), record, bytes(32), {})
    store.close()
    for wrong in (foreign, "x", ""):
        with pytest.raises(InvalidReceipt):
            ledger.answers("r1", wrong)
    with pytest.raises(InvalidParameter):
        ledger.answers("r2", own)
    with pytest.raises(StoreUnavailable):
        ledger.answers("r1", own)
