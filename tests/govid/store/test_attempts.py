"""Failed attempts: counted with the audit row, by use cases with rules of their own, never past a window."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from govid import lockout, use_cases
from govid.config import Settings
from govid.errors import SubjectLocked
from govid.lockout import Attempt, Attempts, LockoutRule
from govid.policy import Attempts as Allowed
from govid.policy import UseCase
from govid.store import attempts
from govid.store.audit import AuditFilter, AuditLog
from govid.store.records import SqlStore
from tests.govid.store.support import AUDIT, OpenStore, new, reply

STRICT = Attempts("alice", "strict", LockoutRule(2, 600, 1))


def purpose(name: str, limit: int | None) -> UseCase:
    allowed = Allowed(limit=limit, window_seconds=7) if limit else None
    return msgspec.structs.replace(use_cases.shipped("general"), name=name, attempts=allowed)


def fail(store: SqlStore, made: Attempts, times: int = 1) -> None:
    for _ in range(times):
        store.append_audit(AUDIT, Attempt(made, failed=True))


def test_a_use_case_has_its_own_rule_or_that_of_the_settings() -> None:
    settings = Settings(lockout_attempts=9, lockout_window_seconds=8, lockout_lock_seconds=3)
    common = LockoutRule(9, 8, 3)
    assert lockout.rule(settings) == lockout.rule(settings, purpose("plain", None)) == common
    own = lockout.attempts(settings, "alice", purpose("own", 4))
    assert own == Attempts("alice", "own", LockoutRule(4, 7, 3))
    assert lockout.attempts(settings, "alice", purpose("plain", None)).counted_for == ""


def test_an_attempt_that_is_refused_leaves_no_audit_row(store: SqlStore) -> None:
    fail(store, STRICT, 2)
    with pytest.raises(SubjectLocked):
        fail(store, STRICT)
    with pytest.raises(SubjectLocked):
        store.check_attempts(STRICT)
    assert store.counts().audit_records == 2


def test_a_lock_does_not_end_within_the_window(store: SqlStore) -> None:
    """A second's lock would give a rule of two in ten minutes one a second."""
    fail(store, STRICT, 2)
    with pytest.raises(SubjectLocked) as locked:
        store.check_attempts(STRICT)
    assert 500 < locked.value.retry_after_seconds <= 600


def test_a_looser_use_case_neither_uses_up_nor_clears_a_stricter_count(store: SqlStore) -> None:
    loose = Attempts("alice", "loose", LockoutRule(100, 1, 1))
    fail(store, loose, 10)
    store.check_attempts(STRICT)
    fail(store, STRICT, 2)
    store.append_audit(AUDIT, Attempt(loose, failed=False))
    with pytest.raises(SubjectLocked):
        store.check_attempts(STRICT)
    store.check_attempts(Attempts("bob", "strict", STRICT.rule))


def test_a_deletion_forgets_all_counts(store: SqlStore) -> None:
    store.add_subject(new("alice"), AUDIT, None, reply)
    common = Attempts("alice", "", LockoutRule(1, 60, 60))
    fail(store, STRICT, 2)
    fail(store, common)
    store.delete_subject("alice", AUDIT, None, lambda _: b"")
    store.check_attempts(STRICT)
    store.check_attempts(common)


def test_a_window_that_ended_counts_no_more(store: SqlStore) -> None:
    short = Attempts("alice", "short", LockoutRule(2, 0.2, 0.2))
    fail(store, short)
    time.sleep(0.3)
    fail(store, short)
    store.check_attempts(short)


def test_attempts_and_deletions_side_by_side_never_wait_for_each_other_in_a_circle(
    open_store: OpenStore,
) -> None:
    store = open_store()
    many = LockoutRule(1000, 60, 60)

    def attempt(number: int) -> None:
        store.append_audit(AUDIT, Attempt(Attempts(f"s{number % 3}", "", many), failed=number % 4 > 0))

    def come_and_go(number: int) -> None:
        name = f"s{number % 3}"
        for _ in range(4):
            store.add_subject(new(name), AUDIT, None, reply)
            store.delete_subject(name, AUDIT, None, lambda _: b"")

    with ThreadPoolExecutor(6) as pool:
        done = [pool.submit(come_and_go, number) for number in range(3)]
        done += [pool.submit(attempt, number) for number in range(60)]
        for one in done:
            one.result(timeout=60)
    assert store.counts().audit_records == 60 + 2 * 4 * 3


def test_an_operator_lifts_a_lock_and_the_audit_says_who(store: SqlStore) -> None:
    other = Attempts("bob", "strict", STRICT.rule)
    fail(store, STRICT, 2)
    fail(store, Attempts("alice", "", STRICT.rule))
    fail(store, other, 2)
    assert attempts.unlock(store.database, "alice", login="wang") == 3
    store.check_attempts(STRICT)
    with pytest.raises(SubjectLocked):
        store.check_attempts(other)
    (row,) = AuditLog(store.database).rows(AuditFilter(operation="unlock"), limit=10)
    assert (row.record.subject_id, row.record.outcome, row.record.caller) == ("alice", "UNLOCKED", "local")
    assert row.record.note == "3 failed attempts; by the login wang"
    # The next ones count from zero.
    fail(store, STRICT)
    store.check_attempts(STRICT)


def test_without_a_failed_attempt_there_is_nothing_to_lift_and_nothing_to_say(store: SqlStore) -> None:
    assert attempts.unlock(store.database, "alice", login="wang") == 0
    assert store.counts().audit_records == 0
