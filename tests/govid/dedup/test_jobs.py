from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from govid import policy
from govid.adjudication import Adjudication, Case, Verdict
from govid.dedup import worker
from govid.errors import (
    InvalidParameter,
    JobEnded,
    JobRunning,
    JobTooLoose,
    StorageFull,
    StoreUnavailable,
    UnknownJob,
)
from govid.store import dedup as rows
from govid.store.database import Connection
from govid.store.records import SqlStore
from tests.govid.dedup import support
from tests.govid.dedup.support import done, found
from tests.govid.store.support import undecided


def filled(store: SqlStore, strangers: int = 90) -> None:
    """Strangers, ten of whom are enrolled a second time, and one with a second photo of their own."""
    faces = support.people(strangers)
    support.enrol(store, faces)
    support.enrol(store, [support.like(face, n) for n, face in enumerate(faces[:10])], "again")
    support.add(store, "s20", support.like(faces[20], 99))


def test_a_job_finds_what_brute_force_finds_and_opens_a_case_for_each(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = done(work)
    assert job.state == "done"
    assert job.blocks == job.blocks_done == 7 * 8 // 2
    assert job.compared == job.comparisons == 101 * 100 // 2
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, job.threshold))
    assert job.pairs == job.cases == 10
    assert job.pairs_within_subjects == 1
    cases = Adjudication(store.database).page().cases
    assert {case.subjects for case in cases} == {(f"again{n}", f"s{n}") for n in range(10)}
    assert {(case.origin, case.job_id, case.cluster_subjects) for case in cases} == {("dedup", job.job_id, 2)}


def test_threads_share_a_job(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store, range_size=5)
    job = work.start(request_id="r")
    job = work.work(job.job_id, request_id="r", threads=4)
    assert job.blocks == job.blocks_done == 21 * 22 // 2
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, job.threshold))
    assert job.cases == 10


def test_ranges_are_read_again_when_memory_does_not_hold_them(
    store: SqlStore,
) -> None:
    filled(store)
    row = support.PROFILE.dimension * 4
    job = done(work := replace(support.dedup(store), cache_bytes=2 * 16 * row))
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, job.threshold))


def test_an_empty_gallery_is_done_at_once(store: SqlStore) -> None:
    job = support.dedup(store).start(request_id="r")
    assert (job.state, job.blocks, job.comparisons, job.cases) == ("done", 0, 0, 0)
    support.enrol(store, support.people(1))
    assert done(support.dedup(store)).compared == 0


def test_what_is_new_is_compared_with_all_and_the_rest_is_not_compared_again(store: SqlStore) -> None:
    faces = support.people(50)
    support.enrol(store, faces)
    support.enrol(store, [support.like(faces[0])], "old-pair")
    work = support.dedup(store)
    first = done(work)
    assert list(found(work, first.job_id)) == [(1, 51)]
    nothing = done(work, since_job=first.job_id)
    assert (nothing.state, nothing.blocks, nothing.kind) == ("done", 0, "incremental")
    new = support.enrol(store, [support.like(faces[7]), support.people(1, 8)[0]], "new")
    twice = support.enrol(store, [support.like(support.people(1, 8)[0])], "twice")
    second = done(work, since_job=first.job_id)
    assert set(found(work, second.job_id)) == {(8, new[0]), (new[1], twice[0])}
    assert second.compared == second.comparisons == 3 * 51 + 3
    by_reference = done(work, since_reference=51)
    assert found(work, by_reference.job_id).keys() == found(work, second.job_id).keys()
    third = done(work, since_job=second.job_id)
    assert third.blocks == 0


def test_a_released_subject_counts_as_new(store: SqlStore) -> None:
    faces = support.people(5)
    with store.database.writing() as connection:
        from govid.store import NewReference
        from govid.store.records import insert_subject
        from govid.types import Template

        template = Template(support.PROFILE.model_id, faces[0])
        insert_subject(connection, store.vault, NewReference("held", template, (), 1.0), held=True)
    support.enrol(store, [*faces[1:], support.like(faces[0])])
    work = support.dedup(store)
    first = done(work)
    assert first.pairs == 0
    with store.database.writing() as connection:
        from govid.store import verdicts

        verdicts.release(connection, "held")
    second = done(work, since_job=first.job_id)
    assert list(found(work, second.job_id)) == [(1, 6)]


def test_a_second_start_is_refused_and_names_the_first(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    with pytest.raises(JobRunning) as refused:
        work.start(request_id="r")
    assert refused.value.job_id == job.job_id
    assert work.jobs().jobs == (work.job(job.job_id),)
    other_kind = work.start(since_reference=95, request_id="r")
    assert other_kind.kind == "incremental"


def test_cancelled_twice_resumed_and_finished(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    event, pause = support.stopped_after(9)
    half = work.work(job.job_id, request_id="r", stop=event, pause=pause)
    assert half.state == "running"
    assert 0 < half.blocks_done < half.blocks
    assert half.eta_seconds is not None
    for _ in range(2):
        cancelled = work.cancel(job.job_id, request_id="r")
        assert cancelled.state == "cancelled"
        assert cancelled.eta_seconds is None
    assert work.work(job.job_id, request_id="r").blocks_done == half.blocks_done
    with pytest.raises(InvalidParameter):
        work.start(since_job=job.job_id, request_id="r")
    assert work.resume(job.job_id, request_id="r").state == "running"
    ended = work.work(job.job_id, request_id="r")
    assert ended.compared == ended.comparisons
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, ended.threshold))
    for call in (work.cancel, work.resume):
        with pytest.raises(JobEnded):
            call(job.job_id, request_id="r")
    outcomes = audited(store)
    assert outcomes == ["STARTED", "CANCELLED", "RESUMED", "DONE"]


def audited(store: SqlStore) -> list[str]:
    import msgspec

    with store.database.reading() as connection:
        records = [msgspec.json.decode(row[0]) for row in connection.rows("SELECT record FROM audit")]
    return [record["outcome"] for record in records if record["operation"] == "dedup"]


def test_a_worker_that_lost_its_range_writes_nothing(store: SqlStore) -> None:
    """It was slow, and somebody resumed the job: the fence is the worker's name and the column."""
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    resumed = []

    def pause() -> None:
        if len(resumed) < 3:
            resumed.append(work.resume(job.job_id, request_id="r"))

    ended = work.work(job.job_id, request_id="r", pause=pause)
    assert ended.compared == ended.comparisons
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, job.threshold))


def test_another_process_cancels(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    ended = work.work(
        job.job_id, request_id="r", pause=lambda: void(work.cancel(job.job_id, request_id="other"))
    )
    assert (ended.state, ended.blocks_done, ended.pairs) == ("cancelled", 0, 0)


def void(_: object) -> None:
    """Of a call for its effect."""


def test_a_silent_workers_range_goes_to_another_one(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    with store.database.writing() as connection:
        assert rows.claim(connection, job.job_id, "killed", -1.0)
    ended = work.work(job.job_id, request_id="r")
    assert ended.compared == ended.comparisons


def test_a_subject_that_is_deleted_meanwhile_is_in_no_case(store: SqlStore) -> None:
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    calls = []

    def pause() -> None:
        calls.append(0)
        if len(calls) == 20:
            for n in range(5):
                store.delete_subject(f"again{n}", support.AUDIT, None, lambda _: b"")

    ended = work.work(job.job_id, request_id="r", pause=pause)
    assert len(calls) > 20
    assert ended.cases == len(found(work, job.job_id)) == 5


def test_references_of_another_model_are_left_out_and_counted(store: SqlStore) -> None:
    filled(store)
    undecided(store)
    support.add(store, "s30", support.people(1, 5)[0], model_id="another")
    job = done(support.dedup(store))
    assert job.left_out_references == 1
    assert job.cases == 10


def test_decided_pairs_stay_decided_until_there_is_new_evidence(store: SqlStore) -> None:
    faces = support.people(3)
    support.enrol(store, faces)
    support.enrol(store, [support.like(face, n) for n, face in enumerate(faces)], "again")
    work, queue = support.dedup(store), Adjudication(store.database)
    assert done(work).cases == 3
    assert done(work).cases == 0  # all three are in open cases
    for case, verdict in zip(
        queue.page().cases, (Verdict.DIFFERENT, Verdict.TWINS, Verdict.SAME), strict=True
    ):
        assert queue.decide(case.case_id, verdict, adjudicator="ann", request_id="r").closed_at
    same = {pair.verdict: (pair.subject_a, pair.subject_b) for c in closed(queue) for pair in c.settled}
    again = done(work)
    # The duplicate that was found is still enrolled twice.
    assert [case.subjects for case in queue.page().cases] == [same[Verdict.SAME]]
    assert (again.pairs, again.cases) == (3, 1)
    _, different = same[Verdict.DIFFERENT]
    number = int(different.removeprefix("s"))
    support.add(store, different, support.like(faces[number], 50))
    assert done(work).cases == 1


def closed(queue: Adjudication) -> list[Case]:
    return [queue.case(case.case_id) for case in queue.page(closed=True).cases]


def test_a_name_that_is_enrolled_anew_is_not_settled(store: SqlStore) -> None:
    face = support.people(1)[0]
    support.enrol(store, [face, support.like(face)])
    work, queue = support.dedup(store), Adjudication(store.database)
    done(work)
    (case,) = queue.page().cases
    queue.decide(case.case_id, Verdict.DIFFERENT, adjudicator="ann", request_id="r")
    store.delete_subject("s1", support.AUDIT, None, lambda _: b"")
    with store.database.writing() as connection:
        from govid.store import NewReference
        from govid.store.records import insert_subject
        from govid.types import Template

        template = Template(support.PROFILE.model_id, support.like(face, 3))
        insert_subject(connection, store.vault, NewReference("s1", template, (), 1.0))
    assert done(work).cases == 1


def test_a_large_cluster_comes_in_cases_that_say_so(store: SqlStore) -> None:
    face = support.people(1)[0]
    support.enrol(store, [support.like(face, n) for n in range(45)])
    job = done(support.dedup(store))
    assert job.pairs == 45 * 44 // 2
    cases = Adjudication(store.database).page(limit=1000).cases
    assert len(cases) == job.cases > 2
    assert {case.cluster_subjects for case in cases} == {45}
    assert max(len(case.subjects) for case in cases) == 20


def test_cases_are_opened_once_whoever_opens_them(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash between two batches of cases, and two workers that both open them."""
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    monkeypatch.setattr(worker, "_CASES_AT_ONCE", 3)
    original, opened = worker.cases.open_cluster, []

    def dies(*arguments: object) -> int:
        opened.append(0)
        if len(opened) == 5:
            raise StoreUnavailable("gone")
        return original(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(worker.cases, "open_cluster", dies)
    with pytest.raises(StoreUnavailable):
        work.work(job.job_id, request_id="r")
    assert work.job(job.job_id).cases == 3
    work.resume(job.job_id, request_id="r")
    threads = [
        threading.Thread(target=work.work, args=(job.job_id,), kwargs={"request_id": "r"}) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert work.job(job.job_id).state == "done"
    assert work.job(job.job_id).cases == 10
    assert audited(store).count("DONE") == 1


def before_cases(monkeypatch: pytest.MonkeyPatch, call: Callable[[], object]) -> None:
    """Have something happen once, after the pairs are read and before the first case is opened."""
    original, left = worker.clusters, [call]

    def clusters(pairs: list[rows.Pair]) -> object:
        if left:
            left.pop()()
        return original(pairs)

    monkeypatch.setattr(worker, "clusters", clusters)


def test_a_subject_deleted_before_its_case_is_opened_gets_none(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store)
    before_cases(monkeypatch, lambda: store.delete_subject("again3", support.AUDIT, None, lambda _: b""))
    job = done(support.dedup(store))
    assert (job.state, job.cases) == ("done", 9)
    queue = Adjudication(store.database)
    assert all(pair.present for case in queue.page().cases for pair in queue.case(case.case_id).pairs)


def test_two_jobs_at_once_open_a_case_for_a_pair_once(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(store)
    work = support.dedup(store)
    before_cases(monkeypatch, lambda: done(work, since_reference=95))
    full = done(work)
    incremental = work.jobs().jobs[0]
    assert incremental.kind == "incremental"
    assert (incremental.cases, full.cases) == (5, 5)
    assert len(Adjudication(store.database).page().cases) == 10


@pytest.mark.parametrize("how", ["cancel", "stop"])
def test_no_case_is_opened_once_a_job_is_told_to_end(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    filled(store)
    work, stop = support.dedup(store), threading.Event()
    job = work.start(request_id="r")
    cancel = (lambda: work.cancel(job.job_id, request_id="r")) if how == "cancel" else stop.set
    before_cases(monkeypatch, cancel)
    ended = work.work(job.job_id, request_id="r", stop=stop)
    assert (ended.state, ended.cases) == ("cancelled" if how == "cancel" else "running", 0)
    work.resume(job.job_id, request_id="r")
    assert work.work(job.job_id, request_id="r").cases == 10


def test_pairs_are_read_and_exported_page_by_page(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(store)
    monkeypatch.setattr(rows, "_PAGE", 3)
    monkeypatch.setattr(rows, "_PAIRS_AT_ONCE", 2)
    job = done(work := support.dedup(store))
    assert job.cases == len(found(work, job.job_id)) == 10


def test_the_threshold_comes_from_a_rate_and_says_when_it_cannot(store: SqlStore) -> None:
    table = support.calibration(store)
    supported = policy.dedup_threshold(10**6, 10, table)
    assert supported.supported
    assert supported.fmr == pytest.approx(1e-5)
    assert supported.threshold == table.threshold(1e-5)
    beyond = policy.dedup_threshold(10**9, 10, table)
    assert not beyond.supported
    assert (beyond.fmr, beyond.threshold) == (table.lowest_fmr, table.score[-1])
    assert beyond.fmr_upper > beyond.fmr
    few = policy.dedup_threshold(10, 10, table)
    assert few.threshold == table.threshold(policy.ENROLMENT.inconclusive_fmr)


def test_a_job_that_would_drown_its_adjudicators_is_refused(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    support.enrol(store, support.people(20))
    monkeypatch.setattr("govid.dedup.plan.comparisons", lambda _: 10**18)
    with pytest.raises(JobTooLoose):
        support.dedup(store).start(request_id="r")


def test_what_is_no_job_is_said(store: SqlStore) -> None:
    work = support.dedup(store)
    for call in (
        lambda: work.job(7),
        lambda: work.cancel(7, request_id="r"),
        lambda: work.resume(7, request_id="r"),
        lambda: work.start(since_job=7, request_id="r"),
        lambda: next(work.export(7)),
    ):
        with pytest.raises(UnknownJob):
            call()
    both = {"since_reference": 1, "since_job": 1}
    for options in ({"since_reference": -1}, {"since_reference": 2**63}, both):
        with pytest.raises(InvalidParameter):
            work.start(request_id="r", **options)


@pytest.mark.parametrize("damaged", [b"", bytes(8), np.float32(1).tobytes()])
def test_a_damaged_template_stops_the_job_and_mending_it_lets_it_end(store: SqlStore, damaged: bytes) -> None:
    filled(store)
    work = support.dedup(store)
    with store.database.writing() as connection:
        kept = connection.row("SELECT embedding FROM reference WHERE reference_id = 40")
        connection.execute("UPDATE reference SET embedding = ? WHERE reference_id = 40", (damaged,))
    job = work.start(request_id="r")
    with pytest.raises(StoreUnavailable, match="40"):
        work.work(job.job_id, request_id="r")
    assert kept is not None
    with store.database.writing() as connection:
        connection.execute("UPDATE reference SET embedding = ? WHERE reference_id = 40", kept)
    assert np.isclose(work.work(job.job_id, request_id="r").compared, job.comparisons)


def test_a_block_and_its_pairs_are_written_together(store: SqlStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full just when pairs are written: their block must not count as compared."""
    filled(store)
    work = support.dedup(store)
    job = work.start(request_id="r")
    original = rows.insert_pairs

    def fails(connection: Connection, job_id: int, pairs: list[rows.Pair]) -> None:
        original(connection, job_id, pairs[: len(pairs) // 2])
        if pairs:
            raise StorageFull

    monkeypatch.setattr(rows, "insert_pairs", fails)
    with pytest.raises(StorageFull):
        work.work(job.job_id, request_id="r")
    half = work.job(job.job_id)
    assert (half.state, half.pairs) == ("running", 0)
    monkeypatch.setattr(rows, "insert_pairs", original)
    work.work(job.job_id, request_id="r")
    assert support.same_pairs(found(work, job.job_id), support.brute_force(store, job.threshold))
