"""A complaint from its opening to its last answer, as the complainant reads it, in each store."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import pytest

from govid.audit import AuditRecord
from govid.callers import LOCAL
from govid.errors import FeedbackExists, InvalidParameter, UnknownComplaint
from govid.ledger.ledger import Ledger
from govid.store import retention
from govid.store.audit import AuditFilter
from govid.store.feedback import MAX_SAID
from govid.store.notifications import Outbox
from govid.store.records import SqlStore
from tests.govid.store.support import OpenStore

ANN = msgspec.structs.replace(LOCAL, name="ann")


@pytest.fixture
def ledger(store: SqlStore, tmp_path: Path) -> Ledger:
    return opened(store, tmp_path)


def opened(store: SqlStore, folder: Path) -> Ledger:
    return Ledger(store.database, folder / "keys" / "signing.pem", {}, complaint_days=2)


@pytest.fixture
def receipt(store: SqlStore, ledger: Ledger) -> str:
    """Of the decision r1, which nobody has rated."""
    record = AuditRecord(
        time=1000.0, request_id="r1", operation="verify", outcome="MATCH", subject_id="alice"
    )
    return ledger.receipt(record, store.append_audit(record))


def complain(ledger: Ledger, receipt: str, words: str) -> int:
    complaint_id = ledger.rate("r1", receipt, "bad", words, request_id="said").complaint_id
    assert complaint_id is not None
    return complaint_id


def answer(ledger: Ledger, complaint_id: int, words: str, *, correction: bool = False) -> None:
    ledger.close_complaint(complaint_id, words, request_id="a", caller=ANN, correction=correction)


def read(ledger: Ledger, receipt: str) -> tuple[str, list[str]]:
    found = ledger.answers("r1", receipt)
    assert [one.answered_at for one in found.answers] == sorted(one.answered_at for one in found.answers)
    return found.state, [one.answer for one in found.answers]


def test_a_complainant_follows_the_complaint_to_its_end(ledger: Ledger, receipt: str) -> None:
    assert read(ledger, receipt) == ("none", [])
    number = complain(ledger, receipt, "it was not me")
    assert read(ledger, receipt) == ("open", [])
    assert ledger.answers("r1", receipt).due_at == pytest.approx(time.time() + 2 * 86400, abs=60)
    answer(ledger, number, "it was you")
    assert read(ledger, receipt) == ("answered", ["it was you"])
    complain(ledger, receipt, "look at the ears")
    assert read(ledger, receipt) == ("reopened", ["it was you"])
    answer(ledger, number, "it was not you")
    assert read(ledger, receipt) == ("answered", ["it was you", "it was not you"])
    assert ledger.answers("r1", receipt).answers[-1].answered_at == pytest.approx(time.time(), abs=60)


def test_a_good_rating_has_no_answer(ledger: Ledger, receipt: str) -> None:
    ledger.rate("r1", receipt, "good", "quick", request_id="said")
    assert read(ledger, receipt) == ("none", [])


def test_a_complainant_reads_nothing_but_answers(ledger: Ledger, receipt: str) -> None:
    """Two hold the receipt: what the one wrote is not for the other."""
    number = complain(ledger, receipt, "ask my sister")
    answer(ledger, number, "first")
    answer(ledger, number, "second", correction=True)
    found = msgspec.to_builtins(ledger.answers("r1", receipt))
    assert found.keys() == {"request_id", "state", "complaint_id", "due_at", "answers"}
    assert [one.keys() for one in found["answers"]] == [{"answer", "answered_at"}] * 2
    text = msgspec.json.encode(found).decode()
    assert not any(word in text for word in ("ann", "sister", "alice"))


def test_a_correction_stands_beside_what_was_said(ledger: Ledger, receipt: str) -> None:
    number = complain(ledger, receipt, "it was not me")
    with pytest.raises(UnknownComplaint):
        answer(ledger, number, "corrected too early", correction=True)
    answer(ledger, number, "on 3 May")
    with pytest.raises(UnknownComplaint):
        answer(ledger, number, "by a second clerk, who did not see the first one's")
    answer(ledger, number, "on 4 May", correction=True)
    assert read(ledger, receipt) == ("answered", ["on 3 May", "on 4 May"])
    (complaint,) = ledger.complaints(open_only=False).complaints
    assert (complaint.answer, complaint.closed_by, complaint.state) == ("on 4 May", "ann", "answered")
    assert [(one.answer, one.answered_by) for one in complaint.earlier_answers] == [("on 3 May", "ann")]
    rows = ledger.rows(AuditFilter(operation="close_complaint")).rows
    assert [(row.record.outcome, row.record.about, row.record.caller) for row in rows] == [
        ("CORRECTED", "r1", "ann"),
        ("CLOSED", "r1", "ann"),
    ]
    assert ledger.examine().intact


def test_words_of_before_open_an_answered_complaint_anew(ledger: Ledger, receipt: str) -> None:
    number = complain(ledger, receipt, "I was in Rome, not at the gate")
    with pytest.raises(FeedbackExists):
        complain(ledger, receipt, "not at the gate")
    answer(ledger, number, "you were at the gate")
    with pytest.raises(FeedbackExists):
        complain(ledger, receipt, "I was in Rome, not at the gate")
    complain(ledger, receipt, "not at the gate")
    assert read(ledger, receipt) == ("reopened", ["you were at the gate"])
    (complaint,) = ledger.complaints().complaints
    assert complaint.comment == "I was in Rome, not at the gate\nnot at the gate"
    (earlier,) = complaint.earlier_answers
    assert earlier.answered_at <= complaint.created_at <= time.time()
    with pytest.raises(FeedbackExists):
        complain(ledger, receipt, "not at the gate")


@pytest.mark.parametrize("words", ["a\0b", "\0", "\udcff", "a\udfff"])
def test_what_no_store_can_keep_or_count_is_refused(ledger: Ledger, receipt: str, words: str) -> None:
    number = complain(ledger, receipt, "it was not me")
    for say in (lambda: complain(ledger, receipt, words), lambda: answer(ledger, number, words)):
        with pytest.raises(InvalidParameter, match="NUL"):
            say()
    assert read(ledger, receipt) == ("open", [])


def test_nobody_is_answered_with_nothing(ledger: Ledger, receipt: str) -> None:
    number = complain(ledger, receipt, "it was not me")
    for nothing in ("", " \n"):
        with pytest.raises(InvalidParameter):
            answer(ledger, number, nothing)
    assert read(ledger, receipt) == ("open", [])


def test_corrections_have_an_end_and_answers_have_none(ledger: Ledger, receipt: str) -> None:
    number = complain(ledger, receipt, "it was not me")
    answer(ledger, number, "x" * 2000)
    for _ in range(MAX_SAID // 2000):
        answer(ledger, number, "y" * 2000, correction=True)
    with pytest.raises(InvalidParameter, match="earlier answers"):
        answer(ledger, number, "z", correction=True)
    assert read(ledger, receipt)[1][-1] == "y" * 2000, "what was refused changed nothing"
    complain(ledger, receipt, "again")
    answer(ledger, number, "now it is right")
    assert read(ledger, receipt)[1][-1] == "now it is right"


def test_each_answer_is_announced_by_ids_alone(store: SqlStore, ledger: Ledger, receipt: str) -> None:
    number = complain(ledger, receipt, "it was not me")
    answer(ledger, number, "we are sorry")
    answer(ledger, number, "very", correction=True)
    with pytest.raises(UnknownComplaint):
        answer(ledger, number, "not announced")
    outbox = Outbox(store.database)
    told = [outbox.claim(now=time.time(), lease_seconds=60) for _ in range(3)]
    assert [one.kind for one in told if one] == ["complaint.opened", *["complaint.answered"] * 2]
    ids = {"complaint_id": number, "request_id": "r1"}
    assert [msgspec.json.decode(one.body) for one in told[1:] if one] == [ids, ids]
    assert outbox.waiting() == 3


def test_of_clerks_who_correct_at_once_none_is_lost(
    open_store: OpenStore, ledger: Ledger, receipt: str, tmp_path: Path
) -> None:
    number = complain(ledger, receipt, "it was not me")
    answer(ledger, number, "0")
    clerks = [opened(open_store(), tmp_path) for _ in range(4)]

    def correct(clerk: int) -> None:
        for turn in range(3):
            answer(clerks[clerk], number, f"{clerk} {turn}", correction=True)

    threads = [threading.Thread(target=correct, args=(clerk,)) for clerk in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    state, said = read(ledger, receipt)
    assert state == "answered"
    assert sorted(said) == sorted(["0", *(f"{clerk} {turn}" for clerk in range(4) for turn in range(3))])


def test_what_is_past_its_time_goes_with_all_its_answers(
    store: SqlStore, ledger: Ledger, receipt: str
) -> None:
    number = complain(ledger, receipt, "it was not me")
    answer(ledger, number, "first")
    answer(ledger, number, "second", correction=True)
    with store.database.writing() as connection:
        assert retention.FEEDBACK.erase(connection, time.time() + 1, 10) == 1
        assert connection.row("SELECT count(*) FROM earlier_answer") == (0,)
    assert read(ledger, receipt) == ("none", [])
    with pytest.raises(UnknownComplaint):
        answer(ledger, number, "to nobody", correction=True)


def test_pages_of_complaints_have_their_own_answers(store: SqlStore, ledger: Ledger) -> None:
    for number in range(1, 4):
        record = AuditRecord(time=1.0, request_id=f"r{number}", operation="verify", outcome="MATCH")
        token = ledger.receipt(record, store.append_audit(record))
        rated = ledger.rate(f"r{number}", token, "bad", "", request_id="said")
        assert rated.complaint_id
        for turn in range(number):
            answer(ledger, rated.complaint_id, f"{number} {turn}", correction=turn > 0)
    page = ledger.complaints(limit=2, open_only=False)
    assert [[one.answer for one in found.earlier_answers] for found in page.complaints] == [[], ["2 0"]]
    assert page.next_after == page.complaints[-1].complaint_id
    (last,) = ledger.complaints(after=page.next_after, limit=2, open_only=False).complaints
    assert [one.answer for one in last.earlier_answers] == ["3 0", "3 1"]
