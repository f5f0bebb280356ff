"""The audit of a real store: intact it is proven so, and whatever is done to its rows is noticed."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from govid.audit import AuditRecord
from govid.errors import AuditBroken, FeedbackExists, InvalidParameter, InvalidReceipt, UnknownComplaint
from govid.ledger import checkpoints, receipts
from govid.ledger.ledger import Ledger
from govid.ledger.signing import load_signer
from govid.store.audit import AuditFilter
from govid.store.feedback import MAX_SAID
from govid.store.notifications import Outbox
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from tests.govid.store.support import OpenStore

# The attacker has the file.
attacked = pytest.mark.parametrize("open_store", ["sqlite"], indirect=True)


@pytest.fixture
def ledger(store: SqlStore, tmp_path: Path) -> Ledger:
    key = tmp_path / "keys" / "signing.pem"
    return Ledger(store.database, key, {"sface": "ab" * 32}, complaint_days=2)


def record(number: int, subject: str | None = "alice", **other: object) -> AuditRecord:
    known = {"operation": "verify", "outcome": "MATCH", "caller": "hotel", "use_case": "hotel_checkin"}
    return AuditRecord(
        time=1000.0 + number, request_id=f"r{number}", subject_id=subject, **{**known, **other}
    )


def written(store: SqlStore, count: int) -> None:
    for number in range(1, count + 1):
        store.append_audit(record(number))


def test_an_untouched_audit_is_intact(store: SqlStore, ledger: Ledger) -> None:
    written(store, 5)
    assert [made.rows for made in ledger.checkpoint()] == [5]
    written(store, 3)
    assert [made.first for made in ledger.checkpoint()] == [6]
    assert ledger.checkpoint() == []
    written(store, 2)
    found = ledger.examine()
    assert found.intact
    assert (found.rows, found.checkpoints, found.uncovered) == (10, 2, 2)


def test_checkpoints_are_read_by_pages(store: SqlStore, ledger: Ledger) -> None:
    """Anybody may ask for them, and they never end."""
    for _ in range(5):
        written(store, 2)
        ledger.checkpoint()
    everything = ledger.log.checkpoints()
    assert [last for last, _ in everything] == [2, 4, 6, 8, 10]
    assert ledger.log.checkpoints(limit=2) == everything[:2]
    assert ledger.log.checkpoints(after=4, limit=2) == everything[2:4]
    for beyond in (10, 2**63 - 1, 2**63, 10**30):
        assert ledger.log.checkpoints(after=beyond) == []
    assert ledger.log.checkpoints(after=-(10**30)) == everything


def test_many_rows_are_signed_in_parts_and_what_comes_meanwhile_waits(
    store: SqlStore, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(store, 7)
    made = checkpoints.make(ledger.log, ledger.signer, most=3)
    assert [(one.first, one.last) for one in made] == [(1, 3), (4, 6), (7, 7)]
    written(store, 2)
    sign = ledger.signer.sign

    def busy(kind: str, claims: msgspec.Struct) -> str:
        written(store, 1)  # somebody always does
        return sign(kind, claims)

    monkeypatch.setattr(ledger.signer, "sign", busy)
    assert [(one.first, one.last) for one in ledger.checkpoint()] == [(8, 9)]
    found = ledger.examine()
    assert (found.intact, found.checkpoints, found.uncovered) == (True, 4, 1)


def test_an_empty_audit_is_intact(ledger: Ledger) -> None:
    assert ledger.checkpoint() == []
    assert ledger.examine().intact


def test_many_writers_make_one_chain(ledger: Ledger, open_store: OpenStore) -> None:
    def write(worker: int) -> None:
        mine = open_store()
        for number in range(30):
            mine.append_audit(record(worker * 100 + number))
            if number % 10 == 0:
                ledger.checkpoint()

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ledger.examine()
    assert found.intact
    assert found.rows == 120


ALTER = """UPDATE audit SET record = replace(record, 'MATCH', 'NON_MATCH') WHERE audit_id = 4"""
SWAP = """UPDATE audit SET audit_id = CASE audit_id WHEN 4 THEN -5 ELSE -4 END WHERE audit_id IN (4, 5);
          UPDATE audit SET audit_id = -audit_id WHERE audit_id < 0"""
REMOVE = """DELETE FROM audit WHERE audit_id = 4"""
INSERT = """UPDATE audit SET audit_id = audit_id + 100 WHERE audit_id > 3;
            INSERT INTO audit (audit_id, record, digest)
            SELECT 4, record, digest FROM audit WHERE audit_id = 3"""
UNCHAIN = """UPDATE audit SET digest = NULL WHERE audit_id = 4"""
UNCHAIN_THE_BEGINNING = """UPDATE audit SET digest = NULL WHERE audit_id < 4"""
CUT_OFF = """DELETE FROM audit WHERE audit_id > 3"""
EMPTY = """DELETE FROM audit"""
HIDE_FROM_ITS_SUBJECT = """DELETE FROM audit_subject WHERE audit_id = 4"""
SHOW_TO_ANOTHER = """INSERT INTO audit_subject VALUES ('mallory', 4)"""
HIDE_FROM_A_FILTER = """UPDATE audit SET caller = 'nobody' WHERE audit_id = 4"""


@attacked
@pytest.mark.parametrize(
    ("tampering", "first_broken"),
    [
        (ALTER, 4),
        (SWAP, 4),
        (REMOVE, 5),
        (INSERT, 4),
        (UNCHAIN, 4),
        (UNCHAIN_THE_BEGINNING, 4),
        (CUT_OFF, 4),
        (EMPTY, 1),
        (HIDE_FROM_ITS_SUBJECT, 4),
        (SHOW_TO_ANOTHER, 4),
        (HIDE_FROM_A_FILTER, 4),
    ],
)
def test_tampering_is_noticed_and_its_first_row_named(
    store: SqlStore, ledger: Ledger, tmp_path: Path, tampering: str, first_broken: int
) -> None:
    written(store, 8)
    ledger.checkpoint()
    with sqlite3.connect(tmp_path / "govid.sqlite3") as attacker:
        attacker.executescript(tampering)
    found = ledger.examine()
    assert not found.intact
    assert found.broken_at == first_broken
    assert found.reason


@attacked
def test_a_chain_that_was_computed_anew_contradicts_its_checkpoint(
    store: SqlStore, ledger: Ledger, tmp_path: Path
) -> None:
    written(store, 8)
    ledger.checkpoint()
    with sqlite3.connect(tmp_path / "govid.sqlite3") as attacker:
        attacker.execute("DELETE FROM audit")
        attacker.execute("DELETE FROM audit_subject")
        attacker.execute("DELETE FROM sqlite_sequence WHERE name = 'audit'")
    for number in range(1, 9):
        store.append_audit(record(number, outcome="NON_MATCH"))
    found = ledger.examine()
    assert (found.intact, found.broken_at) == (False, 1)


def test_a_forged_checkpoint_is_noticed(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    written(store, 3)
    assert checkpoints.make(ledger.log, load_signer(tmp_path / "other" / "signing.pem"))
    assert not ledger.examine().intact


@attacked
def test_nothing_false_is_signed(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    written(store, 5)
    with sqlite3.connect(tmp_path / "govid.sqlite3") as attacker:
        attacker.execute(ALTER)
    with pytest.raises(AuditBroken, match="row 4"):
        ledger.checkpoint()


def test_rows_of_an_older_version_stay_readable_and_outside_of_the_chain(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    written(store, 3)
    with sqlite3.connect(tmp_path / "govid.sqlite3") as older:
        older.execute("UPDATE audit SET digest = NULL")
    written(store, 2)
    ledger = Ledger(store.database, tmp_path / "signing.pem", {}, complaint_days=1)
    assert ledger.examine().rows == 2
    assert ledger.examine().intact
    assert len(ledger.rows(AuditFilter()).rows) == 5
    store.close()


def test_rows_are_found_by_whom_by_what_and_when(store: SqlStore, ledger: Ledger) -> None:
    store.append_audit(record(1))
    store.append_audit(record(2, subject="bob", caller="border", use_case="general"))
    store.append_audit(record(3, subject=None, operation="identify", candidates=("bob", "alice")))
    store.append_audit(record(4, outcome="FACE_NOT_DETECTED"))

    def ids(**wanted: object) -> list[int]:
        return [row.audit_id for row in ledger.rows(AuditFilter(**wanted)).rows]

    assert ids() == [4, 3, 2, 1]
    assert ids(subject_id="bob") == [3, 2]
    assert ids(caller="border") == [2]
    assert ids(operation="identify") == [3]
    assert ids(outcome="MATCH", use_case="hotel_checkin") == [3, 1]
    assert ids(since=1002, until=1004) == [3, 2]
    assert ids(request_id="r4") == [4]
    assert ids(subject_id="x' OR 1=1 --") == []


def test_pages_follow_each_other_without_gap(store: SqlStore, ledger: Ledger) -> None:
    written(store, 7)
    seen: list[int] = []
    before = None
    while True:
        page = ledger.rows(AuditFilter(), before=before, limit=3)
        seen += [row.audit_id for row in page.rows]
        if (before := page.next_before) is None:
            break
    assert seen == [7, 6, 5, 4, 3, 2, 1]
    for limit in (0, 1001):
        with pytest.raises(InvalidParameter):
            ledger.rows(AuditFilter(), limit=limit)


# --- receipts and ratings ------------------------------------------------------------------------------


def receipt(store: SqlStore, ledger: Ledger, number: int = 1) -> str:
    made = record(number, fmr_target=1e-4, calibration_id="lfw/2026")
    return ledger.receipt(made, store.append_audit(made))


def test_a_receipt_says_what_was_decided_and_not_about_whom(store: SqlStore, ledger: Ledger) -> None:
    token = receipt(store, ledger)
    claims = receipts.read(ledger.signer.verifier, token)
    (row,) = ledger.rows(AuditFilter(request_id=claims.jti)).rows
    assert claims.audit == row.digest
    assert (claims.caller, claims.use_case, claims.decision) == ("hotel", "hotel_checkin", "MATCH")
    assert claims.subject == ledger.signer.pseudonym("alice")
    assert claims.models == {"sface": "ab" * 32}
    import base64

    assert b"alice" not in base64.urlsafe_b64decode(token.split(".")[1] + "==")


def test_a_citizen_sees_every_use_of_the_own_face(store: SqlStore, ledger: Ledger) -> None:
    token = receipt(store, ledger)
    store.append_audit(record(2, subject="bob"))
    store.append_audit(record(3, subject=None, operation="identify", candidates=("alice",)))
    ledger.rate("r1", token, "bad", "it was not me", request_id="x")
    page = ledger.uses("alice")
    assert [(use.request_id, use.caller, use.as_candidate, use.rating) for use in page.uses] == [
        ("r3", "hotel", True, None),
        ("r1", "hotel", False, "bad"),
    ]


def test_a_bad_rating_opens_a_complaint_with_a_deadline_and_tells_the_operator(
    store: SqlStore, ledger: Ledger
) -> None:
    rated = ledger.rate("r1", receipt(store, ledger), "bad", "it was not me", request_id="x")
    assert rated.due_at == pytest.approx(time.time() + 2 * 86400, abs=60)
    (complaint,) = ledger.complaints().complaints
    assert (complaint.complaint_id, complaint.comment) == (rated.complaint_id, "it was not me")
    told = Outbox(store.database).claim(now=time.time(), lease_seconds=1)
    assert told is not None
    assert told.kind == "complaint.opened"
    assert b"not me" not in told.body
    ledger.close_complaint(complaint.complaint_id, "we are sorry", request_id="y")
    assert ledger.complaints().complaints == ()
    assert ledger.complaints(open_only=False).complaints[0].answer == "we are sorry"
    with pytest.raises(UnknownComplaint):
        ledger.close_complaint(complaint.complaint_id, "again", request_id="z")
    outcomes = [row.record.outcome for row in ledger.rows(AuditFilter()).rows]
    assert outcomes == ["CLOSED", "RATED_BAD", "MATCH"]
    assert ledger.examine().intact


def test_a_good_rating_opens_none(store: SqlStore, ledger: Ledger) -> None:
    assert ledger.rate("r1", receipt(store, ledger), "good", "", request_id="x").complaint_id is None
    assert ledger.complaints().complaints == ()
    assert Outbox(store.database).waiting() == 0


def test_a_decision_is_rated_once_but_nobody_can_praise_a_complaint_away(
    store: SqlStore, ledger: Ledger
) -> None:
    token = receipt(store, ledger)
    ledger.rate("r1", token, "good", "by the hotel, which had the receipt first", request_id="x")
    with pytest.raises(FeedbackExists):
        ledger.rate("r1", token, "good", "", request_id="y")
    assert ledger.rate("r1", token, "bad", "it was not me", request_id="z").complaint_id is not None
    assert [complaint.comment for complaint in ledger.complaints().complaints] == ["it was not me"]
    for rating in ("good", "bad"):
        with pytest.raises(FeedbackExists):
            ledger.rate("r1", token, rating, "", request_id="w")
    (row, *_) = ledger.rows(AuditFilter(operation="rate")).rows
    assert (row.record.about, row.record.caller) == ("r1", None)


def test_nobody_uses_up_the_complaint_of_another(store: SqlStore, ledger: Ledger) -> None:
    """Two hold the receipt: who asked for the decision, and the citizen."""
    token = receipt(store, ledger)
    hotel = ledger.rate("r1", token, "bad", "", request_id="a")
    citizen = ledger.rate("r1", token, "bad", "it was not me", request_id="b")
    assert (citizen.complaint_id, citizen.due_at) == (hotel.complaint_id, hotel.due_at)
    assert hotel.complaint_id is not None
    ledger.close_complaint(hotel.complaint_id, "we are sorry", request_id="c")
    with pytest.raises(FeedbackExists):
        ledger.rate("r1", token, "bad", "it was not me", request_id="d")
    assert ledger.complaints().complaints == ()
    ledger.rate("r1", token, "bad", "nor the second time", request_id="e")
    (complaint,) = ledger.complaints().complaints
    assert (complaint.complaint_id, complaint.answer) == (hotel.complaint_id, None)
    assert complaint.comment == "it was not me\nnor the second time"
    assert Outbox(store.database).waiting() == 3, "opened, answered, opened anew"
    for number in range(20):
        with suppress(FeedbackExists):
            ledger.rate("r1", token, "bad", f"{number} " + "x" * 1990, request_id="f")
    assert len(ledger.complaints().complaints[0].comment) <= MAX_SAID


def test_numbers_beyond_the_database_are_no_accident(ledger: Ledger) -> None:
    for number in (2**63, 2**70, -(2**70)):
        assert ledger.rows(AuditFilter(), before=number).rows == ()
        assert ledger.complaints(after=number).complaints == ()
        with pytest.raises(UnknownComplaint):
            ledger.close_complaint(number, "x", request_id="r")


def test_a_receipt_rates_its_own_decision_only(store: SqlStore, ledger: Ledger) -> None:
    token = receipt(store, ledger)
    receipt(store, ledger, 2)
    with pytest.raises(InvalidParameter):
        ledger.rate("r2", token, "bad", "", request_id="x")
    ledger.checkpoint()
    (_, statement) = ledger.log.checkpoints()[0]
    with pytest.raises(InvalidReceipt):
        ledger.rate("r1", statement, "bad", "", request_id="x")
    assert ledger.complaints().complaints == ()


@pytest.fixture
def outbox(store: SqlStore, ledger: Ledger) -> Outbox:
    for number in (1, 2):
        ledger.rate(f"r{number}", receipt(store, ledger, number), "bad", "", request_id="x")
    return Outbox(store.database)


def test_complaints_come_by_pages(outbox: Outbox, ledger: Ledger) -> None:
    first = ledger.complaints(limit=1)
    assert [one.request_id for one in first.complaints] == ["r1"]
    assert first.next_after == first.complaints[0].complaint_id
    last = ledger.complaints(after=first.next_after, limit=1)
    assert [one.request_id for one in last.complaints] == ["r2"]
    assert last.next_after is None


def test_a_message_is_claimed_by_one_and_comes_back_until_it_arrived(outbox: Outbox) -> None:
    now = time.time()
    first, second = (outbox.claim(now=now, lease_seconds=10) for _ in range(2))
    assert first is not None
    assert second is not None
    assert first.notification_id < second.notification_id
    assert outbox.claim(now=now, lease_seconds=10) is None
    again = outbox.claim(now=now + 11, lease_seconds=10)
    assert again is not None
    assert (again.notification_id, again.attempts) == (first.notification_id, 2)
    outbox.delivered(first.notification_id)
    outbox.postpone(second.notification_id, now + 1000)
    assert outbox.claim(now=now + 900, lease_seconds=10) is None
    assert outbox.waiting() == 1


def test_the_examination_does_not_need_the_database(store: SqlStore, ledger: Ledger) -> None:
    written(store, 4)
    ledger.checkpoint()
    rows = list(ledger.log.links())
    statements = [statement for _, statement in ledger.log.checkpoints()]
    examine: Callable[..., checkpoints.Finding] = checkpoints.examine
    assert examine(rows, statements, ledger.signer.verifier).intact
    assert examine(rows[:-1], statements, ledger.signer.verifier).broken_at == 4
