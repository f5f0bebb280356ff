"""All that is held on one subject, in each store: whole, of nobody else, provably as it was handed over."""

from __future__ import annotations

import base64
import json
import time
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from govid.adjudication import Adjudication, Verdict
from govid.audit import AuditRecord
from govid.errors import InvalidReceipt, InvalidSubjectId
from govid.ledger import rotation
from govid.ledger.ledger import Ledger
from govid.ledger.signing import load_signer
from govid.lockout import Attempt, Attempts, LockoutRule
from govid.store import Gate, Suspicion
from govid.store.audit import AuditFilter, append_many
from govid.store.photos import KeptPhoto
from govid.store.records import SqlStore
from govid.subject_export import check, export
from tests.govid.ledger.test_rotation import rotated
from tests.govid.store.support import AUDIT, QUALITY, new, reply


@pytest.fixture
def ledger(store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0.0)
    return Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=2)


def exported(store: SqlStore, ledger: Ledger, subject: str) -> bytes:
    return b"".join(export(store, ledger, subject, request_id="export"))


def held(store: SqlStore, ledger: Ledger, subject: str) -> dict[str, Any]:
    return dict(json.loads(exported(store, ledger, subject))["export"])


def use(request_id: str, subject: str | None, *candidates: str) -> AuditRecord:
    operation = "verify" if subject else "identify"
    return AuditRecord(
        time=5.0,
        request_id=request_id,
        operation=operation,
        outcome="MATCH",
        caller="hotel",
        use_case="hotel_checkin",
        subject_id=subject,
        candidates=candidates,
        score=0.75,
    )


def test_all_that_is_held_is_there_and_nothing_of_anybody_else(store: SqlStore, ledger: Ledger) -> None:
    photo = KeptPhoto("image/jpeg", b"a face", time.time() + 1000)
    store.add_subject(new("bob", 1), AUDIT, None, reply)
    store.add_subject(new("carol", 2), AUDIT, None, reply)
    gate = Gate(seen=0, judge=lambda _: (Suspicion("bob", 1, 0.9), Suspicion("carol", 2, 0.8)))
    alice = replace(new("alice"), photo=photo)
    enrolment = AuditRecord(
        time=1.0, request_id="enrolled", operation="enrol", outcome="ENROLLED", subject_id="alice"
    )
    store.add_subject(alice, enrolment, None, reply, groups=["vip"], gate=gate)
    queue = Adjudication(store.database)
    (case,) = queue.page().cases
    queue.decide(
        case.case_id, Verdict.TWINS, adjudicator="ann", note="like bob", subjects=("alice", "bob"),
        request_id="r",
    )  # fmt: skip
    attempts = Attempts("alice", "", LockoutRule(5, 900.0, 900.0))
    asked = use("asked", "alice")
    receipt = ledger.receipt(asked, store.append_audit(asked, Attempt(attempts, failed=True)))
    number = ledger.rate("asked", receipt, "bad", "it was not me", request_id="f").complaint_id
    assert number
    ledger.close_complaint(number, "it was you", request_id="c")
    ledger.rate("asked", receipt, "bad", "look again", request_id="g")
    store.append_audit(use("searched", None, "carol", "alice", "bob"))
    store.append_audit(use("other", "bob", "carol"))

    found = held(store, ledger, "alice")
    pseudonyms = {name: ledger.signer.pseudonym(name) for name in ("alice", "bob", "carol")}
    assert (found["subject_id"], found["pseudonym"]) == ("alice", pseudonyms["alice"])
    assert found["subject"] == {"created_at": alice.created_at, "held": True, "groups": ["vip"]}
    (reference,) = found["references"]
    embedding = np.frombuffer(base64.b64decode(reference["embedding"]), "<f4")
    np.testing.assert_allclose(embedding, alice.template.embedding)
    assert (reference["model_id"], reference["quality"][0]["name"]) == ("m", QUALITY[0].name)
    assert base64.b64decode(reference["photo"]["data"]) == b"a face"
    (known,) = found["cases"]
    assert known["holds_the_subject"]
    assert [pair["other"] for pair in known["pairs"]] == [pseudonyms["bob"], pseudonyms["carol"]]
    (word,) = known["verdicts"]
    assert (word["other"], word["verdict"], word["has_note"]) == (pseudonyms["bob"], "twins", True)
    assert found["settled"] == [{"other": pseudonyms["bob"], "verdict": "twins"}]
    assert found["failed_attempts"][0]["failures"] == 1
    assert [one["request_id"] for one in found["uses"]] == ["export", "searched", "asked", "r", "enrolled"]
    assert [one.get("as_candidate", False) for one in found["uses"]] == [False, True, False, True, False]
    assert found["uses"][2]["score"] == 0.75
    assert "score" not in found["uses"][1]  # of somebody else's search
    (said,) = found["feedback"]
    assert (said["comment"], said["rating"]) == ("it was not me\nlook again", "bad")
    assert (said["answer"], said["closed_at"]) == (None, None)
    (before,) = found["earlier_answers"]
    assert (before["request_id"], before["answer"]) == ("asked", "it was you")
    assert before.keys() == {"request_id", "answer", "answered_at"}
    text = exported(store, ledger, "alice").decode()
    for other in ("bob", "carol", "ann"):
        assert f'"{other}"' not in text
    assert "like bob" not in text


def test_a_subject_that_is_gone_still_has_its_past(store: SqlStore, ledger: Ledger) -> None:
    photo = KeptPhoto("image/jpeg", b"a face", time.time() - 1)
    store.add_subject(replace(new("alice"), photo=photo), AUDIT, None, reply)
    store.append_audit(use("asked", "alice"))
    store.delete_subject("alice", AUDIT, None, lambda _: b"")
    found = held(store, ledger, "alice")
    assert (found["subject"], found["references"]) == (None, [])
    (erasure,) = found["erasures"]
    assert (erasure["references"], erasure["photos"]) == (1, 1)
    assert [one["request_id"] for one in found["uses"]] == ["export", "asked"]
    nobody = held(store, ledger, "nobody")
    assert [one["operation"] for one in nobody["uses"]] == ["export_subject"]
    with pytest.raises(InvalidSubjectId):
        export(store, ledger, "../alice", request_id="r")


def test_the_record_is_written_before_anything_is_read(store: SqlStore, ledger: Ledger) -> None:
    export(store, ledger, "alice", request_id="never read")
    (row,) = ledger.rows(AuditFilter(subject_id="alice")).rows
    assert (row.record.operation, row.record.outcome) == ("export_subject", "EXPORTED")


def test_many_uses_come_in_order_and_once(store: SqlStore, ledger: Ledger) -> None:
    with store.database.writing() as connection:
        append_many(connection, [use(f"u{number}", "alice") for number in range(2500)])
    uses = held(store, ledger, "alice")["uses"]
    assert [one["request_id"] for one in uses] == ["export", *[f"u{n}" for n in reversed(range(2500))]]


def test_an_export_names_and_signs_by_one_key_though_it_is_rotated_meanwhile(
    store: SqlStore, ledger: Ledger, tmp_path: Path
) -> None:
    name = ledger.signer.pseudonym("alice")
    pieces = export(store, ledger, "alice", request_id="export")
    head = next(iter(pieces))
    rotated(store, tmp_path / "keys" / "signing.pem")
    document = head + b"".join(pieces)
    assert check(BytesIO(document), ledger.signer.verifier).subject == name
    assert json.loads(document)["export"]["pseudonym"] == name != ledger.signer.pseudonym("alice")


def test_an_export_proves_what_was_handed_over(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    store.add_subject(new("alice"), AUDIT, None, reply)
    document = exported(store, ledger, "alice")
    verifier = ledger.signer.verifier
    proof = check(BytesIO(document), verifier)
    assert (proof.jti, proof.subject) == ("export", ledger.signer.pseudonym("alice"))
    (row,) = ledger.rows(AuditFilter(request_id="export")).rows
    assert proof.audit == row.digest
    stranger = load_signer(tmp_path / "other.pem").verifier
    with pytest.raises(InvalidReceipt):
        check(BytesIO(document), stranger)
    place = document.index(b"hotel") if b"hotel" in document else document.index(b'"held"')
    for altered in (
        document[:place] + b"X" + document[place + 1 :],
        document.replace(b"false", b"true", 1),
        document[: document.rindex(b',"proof"')],
        document + b" ",
        document.replace(b'{"export":\n', b'{"export": \n'),
        b"",
    ):
        with pytest.raises(InvalidReceipt):
            check(BytesIO(altered), verifier)
