"""The machine's clock jumps a day ahead or back: what docs/runbook.md says happens, happens.

Where time only measures how long something takes, the clock of the wall is not asked. Where it is asked, a
jump errs on the side of refusing, except that what has an end by the calendar goes by the calendar.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from govid.audit import AuditRecord
from govid.callers import Caller, Scope
from govid.errors import SubjectExists, SubjectLocked
from govid.ledger.ledger import Ledger
from govid.lockout import Attempt, Attempts, LockoutRule
from govid.store import Idempotency, Replayed, Stored
from govid.store.audit import AuditFilter
from govid.store.keys import KeyStore
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from server.access.errors import InvalidCredential, RateLimited
from server.access.quota import TokenBuckets
from tests import support
from tests.attacks.test_tokens import reading
from tests.clock import Clock
from tests.govid.store.support import AUDIT, lived, new, reply
from tests.server.access import token

HOUR = 3600.0
DAY = 24 * HOUR
ALICE = Attempts("alice", "", LockoutRule(2, 600, 900))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    opened = SqliteStore(tmp_path / "var" / "govid.sqlite3")
    yield opened
    opened.close()


def record(request_id: str) -> AuditRecord:
    return AuditRecord(time=time.time(), request_id=request_id, operation="verify", outcome="MATCH")


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_the_order_of_the_audit_is_that_of_its_chain(
    store: SqlStore, tmp_path: Path, clock: Clock, jump: float
) -> None:
    ledger = Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=1)
    for number in range(4):
        clock.ahead = jump if number in {1, 2} else 0.0
        store.append_audit(record(f"r{number}"))
        ledger.checkpoint()
    rows = ledger.rows(AuditFilter()).rows
    assert [row.record.request_id for row in rows] == ["r3", "r2", "r1", "r0"]
    found = ledger.examine()
    assert (found.intact, found.checkpoints, found.uncovered) == (True, 4, 0)


def test_a_clock_set_back_lifts_no_lock_and_one_set_ahead_ends_it_early(
    store: SqlStore, clock: Clock
) -> None:
    for _ in range(2):
        store.append_audit(AUDIT, Attempt(ALICE, failed=True))
    clock.ahead = -DAY
    with pytest.raises(SubjectLocked) as locked:
        store.check_attempts(ALICE)
    assert locked.value.retry_after_seconds > DAY, "until the clock has caught up"
    clock.ahead = 0.0
    with pytest.raises(SubjectLocked) as locked:
        store.check_attempts(ALICE)
    assert locked.value.retry_after_seconds <= 900
    clock.ahead = HOUR
    store.check_attempts(ALICE)


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_quotas_do_not_ask_the_wall_clock(clock: Clock, jump: float) -> None:
    buckets = TokenBuckets(per_second=0.001, burst=3)
    for _ in range(3):
        buckets.take("hotel")
    clock.ahead = jump
    with pytest.raises(RateLimited):
        buckets.take("hotel")


def test_an_idempotency_key_outlives_a_jump_back_and_its_write_a_jump_ahead(
    store: SqlStore, clock: Clock
) -> None:
    key = Idempotency("key", "digest")
    assert isinstance(store.add_subject(new("alice"), AUDIT, key, reply), Stored)
    clock.ahead = -DAY
    assert isinstance(store.add_subject(new("alice"), AUDIT, key, reply), Replayed)
    clock.ahead = 2 * DAY
    with pytest.raises(SubjectExists):
        store.add_subject(new("alice"), AUDIT, key, reply)
    assert store.counts().subjects == 1


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_an_access_token_is_refused_by_a_wrong_clock(tmp_path: Path, clock: Clock, jump: float) -> None:
    issued = token(nbf=time.time())
    reader = reading(tmp_path)
    clock.ahead = jump
    with pytest.raises(InvalidCredential):
        asyncio.run(reader.caller(issued))
    clock.ahead = 0.0
    assert asyncio.run(reader.caller(issued)).name == "token:hotel"


def test_a_clock_set_back_does_not_put_off_the_next_check_of_a_token(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    issued = token(nbf=time.time())
    reader = reading(tmp_path)
    monkeypatch.setattr(reader, "RECHECK_SECONDS", 0.0)
    assert asyncio.run(reader.caller(issued)).name == "token:hotel"
    # What the issuer signed for later is not remembered from before.
    clock.ahead = -DAY
    with pytest.raises(InvalidCredential):
        asyncio.run(reader.caller(issued))


def test_doctor_says_that_the_clock_is_behind(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    store = SqliteStore(folder / "govid.sqlite3")
    store.append_audit(msgspec.structs.replace(record("r"), time=time.time() + DAY))
    store.close()
    said = subprocess.run(
        [support.GOVID, "--data-dir", str(folder), "doctor", "--json"], check=False, capture_output=True
    )
    (problem,) = json.loads(said.stdout)["problems"]
    assert "the clock is 86" in problem


def test_an_api_key_ends_by_the_calendar(store: SqlStore, clock: Clock) -> None:
    caller = Caller(name="hotel", scopes=frozenset({Scope.VERIFY}))
    shown, key = KeyStore(store.database).create(caller, expires_at=time.time() + HOUR)
    assert key.opened_by(shown)
    clock.ahead = DAY
    assert not key.opened_by(shown)
    clock.ahead = -DAY
    assert key.opened_by(shown)


def test_a_server_whose_clock_is_far_ahead_of_its_records_serves_and_erases_nothing(tmp_path: Path) -> None:
    folder = support.data_dir(tmp_path / "var")
    store = SqliteStore(folder / "govid.sqlite3")
    lived(store, time.time() - 40 * DAY)
    store.close()
    with support.server(folder) as (client, _):
        deadline = time.monotonic() + 30
        while (ready := client.get("/readyz")).json()["checks"]["chores"] == "ok":
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert (ready.status_code, ready.json()["checks"]["chores"]) == (200, "chore-failing")
        failed = 'govid_chore_failures_total{chore="retention",slug="clock-doubtful"} 1.0'
        assert failed in client.get("/metrics").text
