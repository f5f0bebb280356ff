"""What is past its time goes, in each store; what is not, or is still needed, stays; and the audit holds."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from govid import Settings
from govid.adjudication import Adjudication, Verdict
from govid.audit import AuditRecord
from govid.errors import SigningKeyRetired, UnknownCase
from govid.ledger import checkpoints, rotation
from govid.ledger.chain import GENESIS, Link, link
from govid.ledger.expiry import statement
from govid.ledger.ledger import Ledger
from govid.ledger.signing import Signer, load_signer
from govid.lockout import Attempt, Attempts, LockoutRule
from govid.retention import Keeper, Retention
from govid.store import Gate, Idempotency, Suspicion
from govid.store.audit import AuditFilter, append_many
from govid.store.notifications import Outbox, enqueue
from govid.store.photos import KeptPhoto
from govid.store.records import SqlStore
from govid.use_cases import UseCases, shipped
from tests.govid.ledger.test_rotation import rotated
from tests.govid.store.support import AUDIT, lived, new, reply

DAY = 86_400.0
HOTEL_DAYS = shipped("hotel_checkin").keep_days
SETTINGS = Settings(keep_cases_days=100, keep_feedback_days=50, keep_notifications_days=20)


@pytest.fixture
def ledger(store: SqlStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    monkeypatch.setattr(rotation, "LOOK_SECONDS", 0.0)
    return Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=2)


def keeper(
    store: SqlStore, ledger: Ledger, folder: Path, days: float, *, signer: Signer | None = None
) -> Keeper:
    """One that lives so many days from now."""
    use_cases = UseCases(folder / "use_cases")
    clock = lambda: time.time() + days * DAY  # noqa: E731
    lived(store, clock())
    return Keeper(store.database, SETTINGS, use_cases, lambda: signer or ledger.signer, clock=clock)


def run(store: SqlStore, ledger: Ledger, folder: Path, days: float) -> dict[str, int]:
    """What a run in so many days erases."""
    later = keeper(store, ledger, folder, days)
    due, done = later.due(), later.run()
    assert (due.dry_run, done.dry_run, done.finished) == (True, False, True)
    assert (due.erased, due.decisions) == (done.erased, done.decisions)
    return {name: count for name, count in {**done.erased, **done.decisions}.items() if count}


def decided(number: int, use_case: str | None = "hotel_checkin", age_days: float = 0.0) -> AuditRecord:
    return AuditRecord(
        time=time.time() - age_days * DAY,
        request_id=f"r{number}",
        operation="verify",
        outcome="MATCH",
        subject_id="alice",
        candidates=("bob",),
        use_case=use_case,
    )


def test_each_thing_goes_at_its_time_and_not_before(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    photo = KeptPhoto("image/jpeg", b"a face", time.time() + 10 * DAY)
    store.add_subject(replace(new("alice"), photo=photo), AUDIT, Idempotency("k", "d"), reply)
    attempts = Attempts("alice", "", LockoutRule(5, 3 * DAY, 1.0))
    store.append_audit(AUDIT, Attempt(attempts, failed=True))
    with store.database.writing() as connection:
        enqueue(connection, "complaint.opened", {})
        enqueue(connection, "complaint.opened", {})
    outbox = Outbox(store.database)
    (note := outbox.claim(now=time.time() + 1, lease_seconds=1)) and outbox.delivered(note.notification_id)

    assert run(store, ledger, tmp_path, 0.9) == {}
    assert run(store, ledger, tmp_path, 1.1) == {"idempotency_replies": 1}
    assert run(store, ledger, tmp_path, 9.9) == {"failed_attempts": 1}
    assert run(store, ledger, tmp_path, 10.1) == {"photos": 1}
    assert store.photos.page() == []
    assert run(store, ledger, tmp_path, 19) == {}
    # The other one has not arrived.
    assert run(store, ledger, tmp_path, 21) == {"notifications": 1}
    assert outbox.waiting() == 1
    erased = [row.record.erased for row in ledger.rows(AuditFilter(operation="retention")).rows]
    assert erased[::-1] == [
        {"idempotency_replies": 1}, {"failed_attempts": 1}, {"photos": 1}, {"notifications": 1}
    ]  # fmt: skip
    assert store.subject("alice")


def test_a_case_stays_while_it_holds_somebody(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    queue = Adjudication(store.database)
    store.add_subject(new("alice"), AUDIT, None, reply)
    cases = []
    for name, verdict in (("freed", Verdict.TWINS), ("fraud", Verdict.FRAUD), ("undecided", None)):
        gate = Gate(seen=0, judge=lambda _: (Suspicion("alice", 1, 0.9),))
        store.add_subject(new(name, 1), AUDIT, None, reply, gate=gate)
        cases.append(queue.page().cases[-1].case_id)
        if verdict:
            queue.decide(cases[-1], verdict, adjudicator="ann", request_id="r")
    assert run(store, ledger, tmp_path, 99) == {}
    assert run(store, ledger, tmp_path, 101) == {"cases": 1}
    with pytest.raises(UnknownCase):
        queue.case(cases[0])
    assert [queue.case(case_id).held for case_id in cases[1:]] == ["fraud", "undecided"]
    store.delete_subject("fraud", AUDIT, None, lambda _: b"")
    assert run(store, ledger, tmp_path, 101) == {"cases": 1}


def test_a_decision_goes_and_the_audit_is_proven_all_the_same(
    store: SqlStore, ledger: Ledger, tmp_path: Path
) -> None:
    assert HOTEL_DAYS
    for number, use_case in enumerate(["hotel_checkin", None, "hotel_checkin", "unknown_here", "general"]):
        store.append_audit(decided(number, use_case))
    assert run(store, ledger, tmp_path, HOTEL_DAYS + 1) == {}  # nobody has signed it yet
    ledger.checkpoint()
    store.append_audit(decided(5))
    assert run(store, ledger, tmp_path, HOTEL_DAYS - 1) == {}
    assert run(store, ledger, tmp_path, HOTEL_DAYS + 1) == {"hotel_checkin": 2}
    left = [row.record.request_id for row in ledger.rows(AuditFilter(subject_id="alice")).rows]
    assert left == ["r5", "r4", "r3", "r1"]
    assert [use.request_id for use in ledger.uses("bob").uses] == left
    with store.database.reading() as connection:
        texts = " ".join(text for (text,) in connection.rows("SELECT record FROM audit WHERE audit_id <= 3"))
    assert texts.count("alice") == 1
    found = ledger.examine()
    assert (found.intact, found.rows, found.expired, found.uncovered) == (True, 7, 2, 2)
    ledger.checkpoint()
    assert run(store, ledger, tmp_path, HOTEL_DAYS + 1) == {"hotel_checkin": 1}
    assert ledger.examine().expired == 3
    # As an auditor reads it elsewhere.
    statements = [statement for _, statement in ledger.log.checkpoints()]
    assert checkpoints.examine(list(ledger.log.links()), statements, ledger.signer.verifier).intact


def test_a_decision_that_is_complained_of_waits_for_its_answer(
    store: SqlStore, ledger: Ledger, tmp_path: Path
) -> None:
    asked = decided(1)
    receipt = ledger.receipt(asked, store.append_audit(asked))
    ledger.checkpoint()
    complaint = ledger.rate("r1", receipt, "bad", "not me", request_id="f").complaint_id
    assert complaint
    assert run(store, ledger, tmp_path, 1000) == {}
    ledger.close_complaint(complaint, "so it was", request_id="c")
    assert run(store, ledger, tmp_path, 49) == {}
    assert run(store, ledger, tmp_path, 51) == {"feedback": 1}
    assert run(store, ledger, tmp_path, 91) == {"hotel_checkin": 1}


def test_a_run_that_is_stopped_is_gone_on_with(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    with store.database.writing() as connection:
        append_many(connection, [decided(number, age_days=100) for number in range(1200)])
    ledger.checkpoint()
    later = keeper(store, ledger, tmp_path, 0)
    first = later.run(lambda: True)
    assert (first.finished, first.decisions["hotel_checkin"]) == (False, 500)
    assert ledger.examine().expired == 500
    assert later.run().decisions["hotel_checkin"] == 700
    found = ledger.examine()
    assert (found.intact, found.expired) == (True, 1200)


def test_references_that_are_too_old_are_told_and_stay(
    store: SqlStore, ledger: Ledger, tmp_path: Path
) -> None:
    store.add_subject(replace(new("alice"), created_at=time.time() - 11 * 365 * DAY), AUDIT, None, reply)
    told: Retention = keeper(store, ledger, tmp_path, 0).run()
    assert told.references_too_old["hotel_checkin"] == 1
    assert told.references_too_old["driving_licence_check"] == 0
    assert "general" not in told.references_too_old
    assert store.references("alice")


@pytest.mark.parametrize(
    "attack",
    [
        # A use is hidden as if its time were over.
        lambda store, signed: execute(store, hidden("x"), "DELETE FROM audit_subject WHERE audit_id = 3"),
        # ... beside those that were, or instead of them.
        lambda store, signed: execute(store, hidden(signed), "DELETE FROM audit_subject WHERE audit_id = 3"),
        lambda store, _: execute(store, "DELETE FROM audit WHERE audit_id = 1"),
        lambda store, _: execute(
            store,
            "UPDATE audit SET digest = (SELECT digest FROM audit WHERE audit_id = 3) WHERE audit_id = 1",
        ),
        # What found the row is filled in again.
        lambda store, _: execute(store, "UPDATE audit SET caller = 'nobody' WHERE audit_id = 1"),
        lambda store, _: execute(store, "INSERT INTO audit_subject VALUES ('carol', 1)"),
    ],
)
def test_nothing_else_can_be_passed_off_as_past_its_time(
    store: SqlStore, ledger: Ledger, tmp_path: Path, attack: Callable[[SqlStore, str], None]
) -> None:
    erased(store, ledger, tmp_path)
    with store.database.reading() as connection:
        (mark,) = connection.row("SELECT record FROM audit WHERE audit_id = 1") or ("",)
    attack(store, msgspec.json.decode(mark)["expired"])
    assert not ledger.examine().intact


def test_whoever_has_no_key_signs_no_expiry(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    erased(store, ledger, tmp_path)
    stranger = load_signer(tmp_path / "other.pem")
    with store.database.reading() as connection:
        (digest,) = connection.row("SELECT digest FROM audit WHERE audit_id = 3") or (b"",)
    forged = statement(stranger, "f", [bytes(digest)], use_case="hotel_checkin", before=time.time(), now=1.0)
    execute(store, hidden("f"), "DELETE FROM audit_subject WHERE audit_id = 3")
    record = AuditRecord(time=1.0, request_id="f", operation="retention", outcome="ERASED", statement=forged)
    store.append_audit(record)
    assert "not those that were signed" in ledger.examine().reason


def test_an_expiry_is_signed_by_the_key_of_its_time(store: SqlStore, ledger: Ledger, tmp_path: Path) -> None:
    """The key is rotated between two runs of one keeper, and behind the back of another."""
    erased(store, ledger, tmp_path)
    stale, days = ledger.signer, (HOTEL_DAYS or 0) + 1
    later = keeper(store, ledger, tmp_path, days)
    rotated(store, tmp_path / "keys" / "signing.pem")
    ledger.checkpoint()
    with pytest.raises(SigningKeyRetired):
        keeper(store, ledger, tmp_path, days, signer=stale).run()
    assert ledger.examine().expired == 2, "nothing was erased"
    assert later.run().decisions["hotel_checkin"] == 1
    found = ledger.examine()
    assert (found.intact, found.expired) == (True, 3)


def test_what_is_no_record_is_found(store: SqlStore, ledger: Ledger) -> None:
    record = b'{"operation":"retention"'
    found = checkpoints.examine([Link(1, record, link(GENESIS, record))], [], ledger.signer.verifier)
    assert (found.broken_at, found.reason) == (1, "it is no record")


def erased(store: SqlStore, ledger: Ledger, folder: Path) -> None:
    """An intact audit of three rows that were signed, and of which the first two were erased."""
    for number, age in enumerate([100, 100, 0]):
        store.append_audit(decided(number, age_days=age))
    ledger.checkpoint()
    assert run(store, ledger, folder, 0) == {"hotel_checkin": 2}
    assert ledger.examine().intact


def hidden(expiry_id: str) -> str:
    """A row as an expiry would leave it."""
    columns = ", ".join(
        f"{name} = NULL" for name in ("request_id", "time", "operation", "outcome", "caller", "use_case")
    )
    return f'UPDATE audit SET record = \'{{"expired":"{expiry_id}"}}\', {columns} WHERE audit_id = 3'


def execute(store: SqlStore, *statements: str) -> None:
    with store.database.writing() as connection:
        for one in statements:
            connection.execute(one)
