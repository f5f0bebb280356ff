"""The queue of suspected duplicates: verdicts, two people, held subjects."""

from __future__ import annotations

import threading
from collections.abc import Callable

import msgspec
import pytest

from govid.adjudication import Adjudication, Verdict
from govid.audit import AuditRecord
from govid.callers import LOCAL, Caller, Scope
from govid.errors import CaseClosed, GovidError, IdempotencyKeyReused, InvalidParameter, UnknownCase
from govid.policy import PairThreshold
from govid.store import Gate, Idempotency, NewReference, Suspicion, cases
from govid.store import dedup as rows
from govid.store.dedup import Pair
from govid.store.erasures import Erased
from govid.store.postgresql import PostgresqlStore
from govid.store.records import SqlStore
from govid.types import Template
from tests.govid.dedup import support
from tests.govid.store.support import VAULT, locked_out
from tests.postgresql import PostgresqlServer
from tests.support import wait_until

SAME, DIFFERENT, TWINS, FRAUD = Verdict


@pytest.fixture
def store(store: SqlStore) -> SqlStore:
    support.enrol(store, support.people(4))
    return store


def held(store: SqlStore, subject: str = "held") -> int:
    """A subject that is held because it looks like two others; the case."""
    template = Template(support.PROFILE.model_id, support.people(1, 9)[0])
    new = NewReference(subject, template, (), 1.0)
    suspicions = (Suspicion("s0", 1, 0.9), Suspicion("s1", 2, 0.8))
    store.add_subject(new, support.AUDIT, None, lambda *_: b"", gate=Gate(0, lambda _: suspicions))
    return Adjudication(store.database).page().cases[-1].case_id


def cluster(store: SqlStore, *pairs: tuple[int, int]) -> int:
    """A case of a dedup job between subjects by their numbers."""
    with store.database.writing() as connection:
        some = [Pair(f"s{a}", f"s{b}", a + 1, b + 1, 0.9 - a / 100) for a, b in pairs]
        return cases.open_cluster(connection, 1, some, 3)


def say(queue: Adjudication, case_id: int, verdict: Verdict, who: str, **options: object) -> object:
    return queue.decide(case_id, verdict, adjudicator=who, request_id="r", **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("verdict", [DIFFERENT, TWINS])
def test_two_people_release_a_held_subject_to_every_gallery(store: SqlStore, verdict: Verdict) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    assert queue.case(case_id).held == "held"
    before = max(change.sequence for change in store.changes(after=0, limit=100))
    assert store.subject("held").held
    after = queue.decide(case_id, verdict, adjudicator="ann", note="scar", request_id="q")
    assert after.closed_at is not None
    assert (after.held, after.request_id) == (None, "q")
    assert not store.subject("held").held
    (change,) = store.changes(after=before, limit=10)
    assert change.template is not None


@pytest.mark.parametrize("verdict", [SAME, FRAUD])
def test_one_person_stays_held_until_it_is_deleted(store: SqlStore, verdict: Verdict) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    say(queue, case_id, verdict, "ann")
    assert queue.case(case_id).closed_at is not None
    assert queue.case(case_id).held == "held"
    assert store.subject("held").held
    assert queue.page().cases == ()
    assert [case.case_id for case in queue.page(closed=True).cases] == [case_id]
    store.delete_subject("held", support.AUDIT, None, lambda _: b"")
    assert queue.case(case_id).held is None


def test_a_subject_that_is_the_same_as_one_of_two_stays_held(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    half = queue.decide(case_id, SAME, adjudicator="ann", subjects=("s0", "held"), request_id="r")
    assert half.closed_at is None
    assert [(p.subject_a, p.subject_b, p.verdict) for p in half.settled] == [("held", "s0", SAME)]
    with pytest.raises(CaseClosed):
        say(queue, case_id, DIFFERENT, "ann", subjects=("held", "s0"))
    say(queue, case_id, DIFFERENT, "ann")
    assert queue.case(case_id).closed_at is not None
    assert {p.verdict for p in queue.case(case_id).settled} == {SAME, DIFFERENT}
    assert store.subject("held").held


def test_two_people_must_agree_where_two_are_required(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database, required=2), held(store)
    say(queue, case_id, DIFFERENT, "ann")
    for oneself in ("ann", "Ann", "ＡＮＮ"):
        say(queue, case_id, DIFFERENT, oneself)
        assert queue.case(case_id).closed_at is None
    say(queue, case_id, FRAUD, "bob")
    assert queue.case(case_id).disputed
    assert queue.page().cases[0].disputed
    assert store.subject("held").held
    say(queue, case_id, DIFFERENT, "eve")
    done = queue.case(case_id)
    assert done.closed_at is not None
    assert not done.disputed
    assert not store.subject("held").held
    assert {word.adjudicator for word in done.verdicts} == {"ann", "bob", "eve"}
    with pytest.raises(CaseClosed):
        say(queue, case_id, DIFFERENT, "eve")


def test_somebody_may_think_again(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database, required=2), cluster(store, (0, 1))
    say(queue, case_id, SAME, "ann")
    say(queue, case_id, DIFFERENT, "bob")
    assert queue.case(case_id).disputed
    say(queue, case_id, DIFFERENT, "ann")
    done = queue.case(case_id)
    assert (done.closed_at is not None, done.disputed) == (True, False)
    assert len(done.verdicts) == 3


def test_an_old_case_does_not_release_a_new_subject_of_the_name(store: SqlStore) -> None:
    queue, old = Adjudication(store.database), held(store)
    store.delete_subject("held", support.AUDIT, None, lambda _: b"")
    assert queue.page().cases == ()  # nobody is left to decide on
    new = held(store)
    with pytest.raises(CaseClosed):
        say(queue, old, DIFFERENT, "ann")
    assert store.subject("held").held
    say(queue, new, DIFFERENT, "ann")
    assert not store.subject("held").held


def test_a_held_subject_waits_for_a_person_though_whom_it_looked_like_is_gone(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    for subject in ("s0", "s1"):
        store.delete_subject(subject, support.AUDIT, None, lambda _: b"")
    (case,) = queue.page().cases
    assert case.held == "held"
    assert not any(pair.present for pair in queue.case(case_id).pairs)
    say(queue, case_id, DIFFERENT, "ann")
    assert not store.subject("held").held


def gone(store: SqlStore, subject: str, adjudicators: int = 1) -> None:
    store.delete_subject(subject, support.AUDIT, None, lambda _: b"", adjudicators=adjudicators)


def erase(store: SqlStore, subject: str, reference_id: int) -> None:
    store.delete_reference(subject, reference_id, support.AUDIT, None, lambda _: b"", adjudicators=1)


def test_a_case_stays_while_its_subjects_do_whichever_reference_goes(store: SqlStore) -> None:
    """Whether two subjects are one person is no less a question without the photo that raised it.

    Else whoever may enrol adds a reference, deletes the old one, and has ended the case without a verdict.
    """
    queue = Adjudication(store.database)
    second = support.add(store, "s0", support.people(1, 9)[0]).reference_id
    with store.database.writing() as connection:
        pairs = [
            Pair("s0", "s1", 1, 2, 0.9),
            Pair("s0", "s1", second, 2, 0.7),
            Pair("s0", "s2", second, 3, 0.8),
        ]
        case_id = cases.open_cluster(connection, 1, pairs, 3)
    third = support.add(store, "s0", support.people(1, 9)[0]).reference_id
    for gone, left in ((1, second), (second, third)):
        erase(store, "s0", gone)
        case = queue.case(case_id)
        assert (case.closed_at, case.highest_score) == (None, 0.9)
        present = {(p.subject_a, p.subject_b, p.reference_a, p.reference_b) for p in case.pairs if p.present}
        assert present == {("s0", "s1", left, 2), ("s0", "s2", left, 3)}
        # Nor do the two get a second case.
        assert cases_of(store, Pair("s0", "s1", left, 2, 0.9)) == []
    say(queue, case_id, SAME, "ann")
    assert {(p.subject_a, p.subject_b) for p in queue.case(case_id).settled} == {("s0", "s1"), ("s0", "s2")}
    assert queue.case(case_id).closed_at is not None


def cases_of(store: SqlStore, pair: Pair) -> list[Pair]:
    """Whether a job that found this pair would open a case of it."""
    with store.database.writing() as connection:
        connection.execute("DELETE FROM dedup_pair")
        connection.execute("DELETE FROM dedup_job")
        threshold = PairThreshold(threshold=0.5, fmr=1e-3, fmr_upper=1e-3, supported=True)
        job_id = rows.insert_job(
            connection, kind="all", model_id="m", calibration_id="c", after_change=0, last_change=0,
            threshold=threshold, comparisons=0, spans=(),
        )  # fmt: skip
        rows.insert_pairs(connection, job_id, [pair])
        return rows.without_case(connection, job_id, [pair])


@pytest.mark.parametrize("added", ["before", "after"])
def test_a_deleted_reference_releases_nobody_who_was_compared_with_half_of_them(
    store: SqlStore, added: str
) -> None:
    queue = Adjudication(store.database)
    if added == "before":
        support.add(store, "s0", support.people(1, 9)[0])
    case_id = held(store)
    if added == "after":
        support.add(store, "s0", support.people(1, 9)[0])
    say(queue, case_id, DIFFERENT, "ann", subjects=("held", "s1"))
    erase(store, "s0", 1)
    assert queue.case(case_id).closed_at is None
    assert queue.case(case_id).held == "held"
    # Of both subjects there is a reference to look at, and it takes a word on them.
    assert all(pair.present for pair in queue.case(case_id).pairs)
    say(queue, case_id, DIFFERENT, "ann")
    assert not store.subject("held").held


def test_no_reference_of_a_new_subject_stands_in_a_case_of_the_old_one(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2))
    gone(store, "s0")
    support.enrol(store, support.people(1, 7))
    support.add(store, "s0", support.people(1, 7)[0])
    erase(store, "s0", store.references("s0")[0].reference_id)
    assert [pair.present for pair in queue.case(case_id).pairs] == [False, True]


def test_a_closed_case_keeps_the_references_that_it_was_about(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1))
    say(queue, case_id, TWINS, "ann")
    support.add(store, "s0", support.people(1, 9)[0])
    erase(store, "s0", 1)
    (pair,) = queue.case(case_id).pairs
    assert (pair.reference_a, pair.reference_b, pair.present) == (1, 2, False)


def test_whom_a_deletion_releases_the_audit_names(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    say(queue, case_id, DIFFERENT, "ann", subjects=("s0", "held"))
    deletion = AuditRecord(
        time=2.0, request_id="d", caller="cara", operation="delete", outcome="DELETED", subject_id="s1"
    )
    erased = store.delete_subject("s1", deletion, None, lambda _: b"", adjudicators=1)
    assert not store.subject("held").held
    with store.database.reading() as connection:
        last = connection.rows("SELECT record, digest FROM audit ORDER BY audit_id DESC LIMIT 2")
    released, deleted = (msgspec.json.decode(record, type=AuditRecord) for record, _ in last)
    assert (released.operation, released.outcome, released.request_id) == ("adjudicate", "RELEASED", "d")
    assert (released.subject_id, released.case_id, released.caller) == ("held", case_id, "cara")
    assert (deleted.operation, deleted.subject_id) == ("delete", "s1")
    assert isinstance(erased, Erased)
    assert erased.audit_digest == bytes(last[1][1]), "the receipt is of the deletion"


@pytest.mark.parametrize("verdict", Verdict)
def test_a_deletion_ends_a_case_whose_other_pairs_are_settled(store: SqlStore, verdict: Verdict) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    say(queue, case_id, verdict, "ann", subjects=("s0", "held"))
    gone(store, "s1")
    assert queue.case(case_id).closed_at is not None
    assert store.subject("held").held == (verdict in {SAME, FRAUD})


def test_a_deletion_releases_nobody_on_the_word_of_fewer_than_are_required(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), held(store)
    say(queue, case_id, DIFFERENT, "ann", subjects=("s0", "held"))
    gone(store, "s1", adjudicators=2)
    assert queue.case(case_id).closed_at is None
    assert store.subject("held").held


@pytest.mark.parametrize("who", ["ann", "bob"])
def test_fraud_releases_nobody_though_all_pairs_are_settled(store: SqlStore, who: str) -> None:
    """Fewer people are required than were when the others spoke."""
    queue, case_id = Adjudication(store.database), held(store)
    say(Adjudication(store.database, required=2), case_id, DIFFERENT, "ann")
    assert len(queue.case(case_id).settled) == 2
    say(queue, case_id, FRAUD, who)
    after = queue.case(case_id)
    assert store.subject("held").held
    assert [word.verdict for word in after.verdicts] == [DIFFERENT, DIFFERENT, FRAUD, FRAUD]
    # Somebody thought again, or two people disagree.
    assert (after.closed_at is None, after.disputed) == ((False, False) if who == "ann" else (True, True))


def test_a_settled_pair_can_be_decided_otherwise_while_its_case_is_open(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1))
    say(Adjudication(store.database, required=2), case_id, DIFFERENT, "ann")
    say(queue, case_id, FRAUD, "ann", subjects=("s0", "s1"))
    assert [pair.verdict for pair in queue.case(case_id).settled] == [FRAUD]
    assert settled(store) == {("s0", "s1"): ("fraud", 2)}


def settled(store: SqlStore) -> dict[tuple[str, str], tuple[str, int]]:
    """What is kept of each pair: the verdict, and the last reference it is about."""
    with store.database.reading() as connection:
        return {
            (a, b): (verdict, last) for a, b, verdict, last in connection.rows("SELECT * FROM settled_pair")
        }


@pytest.mark.parametrize("anew", [False, True])
def test_a_verdict_is_not_about_what_came_later(store: SqlStore, anew: bool) -> None:
    """A new photo, or a new subject of the name, while other pairs of the case are still open."""
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2), (2, 3))
    say(queue, case_id, DIFFERENT, "ann", subjects=("s0", "s1"))
    if anew:
        gone(store, "s0")
        support.enrol(store, support.people(1, 7))
    else:
        support.add(store, "s0", support.people(1, 7)[0])
    say(queue, case_id, TWINS, "ann", subjects=("s1", "s2"))
    say(queue, case_id, SAME, "ann")
    # A deletion takes what was found of the subject along.
    first: dict[tuple[str, str], tuple[str, int]] = {} if anew else {("s0", "s1"): ("different", 2)}
    assert settled(store) == {**first, ("s1", "s2"): ("twins", 3), ("s2", "s3"): ("same", 4)}


@pytest.mark.parametrize("who", ["s1", "s2"])
def test_a_deletion_forgets_what_was_settled_of_that_subject_alone(store: SqlStore, who: str) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2), (2, 3))
    say(queue, case_id, FRAUD, "ann")
    gone(store, who)
    assert settled(store) == {pair: ("fraud", last) for pair, last in {
        ("s0", "s1"): 2, ("s1", "s2"): 3, ("s2", "s3"): 4,
    }.items() if who not in pair}  # fmt: skip
    assert {pair.verdict for pair in queue.case(case_id).settled} <= {FRAUD}


def test_a_verdict_on_a_pair_that_is_gone_is_not_about_a_new_subject_of_the_name(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2))
    gone(store, "s0")
    support.enrol(store, support.people(1, 7))
    say(queue, case_id, DIFFERENT, "ann", subjects=("s0", "s1"))
    assert settled(store) == {}


def test_a_case_closes_with_the_pairs_that_are_left(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2))
    store.delete_subject("s0", support.AUDIT, None, lambda _: b"")
    assert queue.case(case_id).closed_at is None
    say(queue, case_id, SAME, "ann", subjects=("s2", "s1"))
    assert queue.case(case_id).closed_at is not None
    other = cluster(store, (1, 2))
    store.delete_subject("s1", support.AUDIT, None, lambda _: b"")
    assert queue.case(other).closed_at is not None
    assert queue.case(other).settled == ()


def test_each_verdict_leaves_an_audit_record(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1))
    queue.decide(case_id, TWINS, adjudicator="ann", request_id="request")
    with store.database.reading() as connection:
        rows = connection.rows("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1")
    record = msgspec.json.decode(rows[0][0], type=AuditRecord)
    assert (record.operation, record.outcome, record.request_id) == ("adjudicate", "TWINS", "request")
    assert (record.case_id, record.adjudicator, record.candidates) == (case_id, "ann", ("s0", "s1"))


def test_a_verdict_is_counted_once_under_its_key(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database, required=2), cluster(store, (0, 1))

    def once(verdict: Verdict, request_id: str) -> object:
        return queue.decide(case_id, verdict, adjudicator="ann", idempotency_key="k", request_id=request_id)

    first = once(SAME, "1")
    assert once(SAME, "2") == first
    assert len(queue.case(case_id).verdicts) == 1
    with pytest.raises(IdempotencyKeyReused):
        once(FRAUD, "3")


def test_one_key_for_a_verdict_and_a_deletion_at_once_is_refused(postgresql: PostgresqlServer) -> None:
    """The deletion, which comes second, waits for the key, not to find it taken when its work is done."""
    store = PostgresqlStore(postgresql.new_database(), VAULT)
    support.enrol(store, support.people(4))
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1))
    key = Idempotency(f"{LOCAL.name} k", "a deletion")  # each caller has its own keys
    errors: list[BaseException] = []

    def caught(call: Callable[[], object]) -> None:
        try:
            call()
        except GovidError as error:
            errors.append(error)

    calls: tuple[Callable[[], object], ...] = (
        lambda: say(queue, case_id, SAME, "ann", idempotency_key="k"),
        lambda: store.delete_subject("s3", support.AUDIT, key, lambda _: b""),
    )
    threads = [threading.Thread(target=caught, args=(call,)) for call in calls]
    with store.database.writing() as connection:
        connection.exclusive("gallery_change")
        for number, thread in enumerate(threads, 1):
            thread.start()
            wait_until(lambda number=number: locked_out(store) == number)  # type: ignore[misc]
    for thread in threads:
        thread.join()
    assert [type(error) for error in errors] == [IdempotencyKeyReused]
    assert store.subject("s3").subject_id == "s3"
    store.close()


def test_the_queue_is_paged(store: SqlStore) -> None:
    queue = Adjudication(store.database)
    made = [cluster(store, (0, 1)) for _ in range(5)]
    seen: list[int] = []
    after: int | None = 0
    while after is not None:
        page = queue.page(after=after, limit=2)
        seen += [case.case_id for case in page.cases]
        after = page.next_after
    assert seen == made


def test_what_cannot_be_decided_is_said(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1), (1, 2))
    with pytest.raises(UnknownCase):
        say(queue, 99, SAME, "ann")
    with pytest.raises(UnknownCase):
        queue.case(99)
    for who in ("", " ann", "a\nb", "a" * 129):
        with pytest.raises(InvalidParameter):
            say(queue, case_id, SAME, who)
    for options in ({"subjects": ("s0", "s2")}, {"subjects": ("s0", "s0")}, {"note": "x" * 2001}):
        with pytest.raises(InvalidParameter):
            say(queue, case_id, SAME, "ann", **options)
    for limit in (0, 1001):
        with pytest.raises(InvalidParameter):
            queue.page(limit=limit)
    assert queue.case(case_id).verdicts == ()


def test_a_caller_who_is_known_decides_as_itself(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database, required=2), cluster(store, (0, 1))
    ann, bob = (Caller(name=name, scopes=frozenset({Scope.ADJUDICATE})) for name in ("ann", "bob"))
    with pytest.raises(InvalidParameter):
        queue.decide(case_id, TWINS, adjudicator="bob", request_id="r", caller=ann)
    queue.decide(case_id, TWINS, request_id="r", caller=ann, idempotency_key="k")
    again = queue.decide(case_id, TWINS, adjudicator="ann", request_id="r", caller=ann)
    assert again.closed_at is None
    assert [word.adjudicator for word in again.verdicts] == ["ann", "ann"]
    # Another one's key of the same name is another key.
    done = queue.decide(case_id, TWINS, request_id="r", caller=bob, idempotency_key="k")
    assert done.closed_at is not None
    with store.database.reading() as connection:
        row = connection.row("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1")
    assert row is not None
    record = msgspec.json.decode(row[0], type=AuditRecord)
    assert (record.caller, record.adjudicator) == ("bob", "bob")


def test_where_nobody_authenticates_the_request_says_who_decides(store: SqlStore) -> None:
    queue, case_id = Adjudication(store.database), cluster(store, (0, 1))
    with pytest.raises(InvalidParameter):
        queue.decide(case_id, TWINS, request_id="r")
