from __future__ import annotations

from pathlib import Path

import pytest

from govid import keys
from govid.callers import Caller, Scope
from govid.store import sessions
from govid.store.audit import AuditFilter, AuditLog
from govid.store.sessions import Sessions
from govid.store.sqlite import SqliteStore

KEY = keys.make(Caller(name="auditor", scopes=frozenset({Scope.AUDIT})))[1]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    clock = [1e9]
    monkeypatch.setattr(sessions.time, "time", lambda: clock[0])
    return clock


def test_a_session_lasts_while_it_is_used_and_no_longer_than_allowed(
    tmp_path: Path, now: list[float]
) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    open_ones = Sessions(store.database, idle_seconds=600, longest_seconds=3600)
    word = open_ones.begin(KEY, request_id="r")
    for _ in range(7):
        now[0] += 500
        assert open_ones.key_of(word) == KEY.key_id
    now[0] += 200
    assert open_ones.key_of(word) is None
    idle = open_ones.begin(KEY, request_id="r")
    now[0] += 599
    assert open_ones.key_of(idle) == KEY.key_id
    now[0] += 600
    assert open_ones.key_of(idle) is None
    open_ones.begin(KEY, request_id="r")
    with store.database.reading() as connection:
        assert connection.row("SELECT count(*) FROM console_session") == (1,)
    store.close()


def test_another_process_knows_it_and_its_end(tmp_path: Path) -> None:
    one, two = (SqliteStore(tmp_path / "govid.sqlite3") for _ in range(2))
    here, there = (Sessions(store.database, idle_seconds=600, longest_seconds=3600) for store in (one, two))
    word = here.begin(KEY, request_id="r1")
    assert there.key_of(word) == KEY.key_id
    assert there.key_of(word + "x") is None
    there.end(word, "auditor", request_id="r2")
    there.end(word, "auditor", request_id="r3")
    assert here.key_of(word) is None
    rows = AuditLog(one.database).rows(AuditFilter())
    assert [(row.record.request_id, row.record.operation) for row in rows] == [
        ("r2", "sign_out"),
        ("r1", "sign_in"),
    ]
    one.close()
    two.close()
