"""A clock that the records do not bear out erases nothing, whatever was written by it meanwhile."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from govid import Settings
from govid.audit import AuditRecord
from govid.errors import ClockDoubtful
from govid.ledger.ledger import Ledger
from govid.retention import Keeper
from govid.store.audit import AuditFilter
from govid.store.photos import KeptPhoto
from govid.store.records import SqlStore
from govid.use_cases import UseCases
from tests.govid.store.support import AUDIT, new, reply

DAY = 86_400.0
START = 1_750_000_000.0


class Place:
    """An installation with a photo that may be kept for a year, and a clock that somebody sets."""

    def __init__(self, store: SqlStore, folder: Path) -> None:
        self.store, self.now = store, START
        self.ledger = Ledger(store.database, folder / "keys" / "signing.pem", {}, complaint_days=1)
        self.keeper = Keeper(
            store.database,
            Settings(),
            UseCases(folder / "use_cases"),
            lambda: self.ledger.signer,
            clock=lambda: self.now,
        )
        photo = KeptPhoto("image/jpeg", b"a face", START + 365 * DAY)
        store.add_subject(
            replace(new("alice"), photo=photo), AuditRecord(**self._words("enrol")), None, reply
        )

    def _words(self, operation: str) -> dict[str, object]:
        return {"time": self.now, "request_id": "r", "operation": operation, "outcome": "MATCH"}

    def decide(self) -> None:
        self.store.append_audit(AuditRecord(**self._words("verify")))

    @property
    def photos(self) -> int:
        with self.store.database.reading() as connection:
            return int((connection.row("SELECT count(*) FROM photo") or (0,))[0])


@pytest.fixture
def place(store: SqlStore, tmp_path: Path) -> Place:
    return Place(store, tmp_path)


@pytest.mark.parametrize("written", [False, True])
def test_a_clock_years_ahead_erases_nothing_even_if_decisions_bear_its_time(
    place: Place, written: bool
) -> None:
    place.keeper.run()
    place.now += 3600
    place.decide()
    place.now += 10 * 365 * DAY
    if written:
        place.decide()
    for _ in range(2):
        with pytest.raises(ClockDoubtful, match="2025-06-15 and 2035-06-1"):
            place.keeper.run()
    assert place.photos == 1
    place.now = START + 2 * 3600  # set right
    place.decide()
    assert place.keeper.run().finished
    place.now += DAY
    assert place.keeper.run().finished
    assert place.photos == 1


def test_before_the_first_run_the_audit_alone_is_asked(place: Place) -> None:
    place.now += 366 * DAY
    place.decide()
    with pytest.raises(ClockDoubtful):
        place.keeper.run()
    assert place.photos == 1


def test_time_that_went_by_under_decisions_is_believed(place: Place) -> None:
    place.keeper.run()
    for _ in range(13):  # nobody ran it for over a year
        place.now += 30 * DAY
        place.decide()
    assert place.keeper.run().erased["photos"] == 1


def test_an_installation_that_erases_each_month_goes_on_by_itself(place: Place) -> None:
    for _ in range(13):
        place.now += 31 * DAY + 3600 + 60  # the clock is put back for winter, and cron is late
        place.keeper.run()
    assert place.photos == 0


def test_a_clock_far_behind_is_refused_until_it_is_right(place: Place) -> None:
    place.keeper.run()
    place.now -= 400 * DAY
    place.decide()
    with pytest.raises(ClockDoubtful, match="2024-05-11, and the last run was on 2025-06-15"):
        place.keeper.run()
    place.now = START + 3600
    place.decide()
    assert place.keeper.run().finished, "nobody had to trust anything"
    assert place.photos == 1


def test_a_clock_that_was_wrongly_trusted_is_no_measure_for_good(place: Place) -> None:
    place.now += 400 * DAY
    place.keeper.run(trust_clock=True)
    place.now = START + 3600
    with pytest.raises(ClockDoubtful):
        place.keeper.run()
    assert place.keeper.run(trust_clock=True).finished
    assert place.keeper.run().finished


def test_who_says_that_the_clock_is_right_goes_on_and_is_in_the_audit(place: Place) -> None:
    place.keeper.run()
    place.now += 400 * DAY
    assert place.keeper.due().erased["photos"] == 1, "a look is free"
    assert place.keeper.run(trust_clock=True).erased["photos"] == 1
    assert place.keeper.run(trust_clock=True).finished
    rows = place.ledger.rows(AuditFilter(operation="trust_clock")).rows
    assert [row.record.outcome for row in rows] == ["TRUSTED"], "once: the second run had no need of it"


def test_a_clock_that_says_nonsense_is_refused_in_words(place: Place) -> None:
    place.now = 1e300
    with pytest.raises(ClockDoubtful, match="9999-12-31"):
        place.keeper.run()


def test_a_new_installation_erases_from_its_first_hour_on(store: SqlStore, tmp_path: Path) -> None:
    ledger = Ledger(store.database, tmp_path / "keys" / "signing.pem", {}, complaint_days=1)
    keeper = Keeper(store.database, Settings(), UseCases(tmp_path / "use_cases"), lambda: ledger.signer)
    assert keeper.run().finished
    photo = KeptPhoto("image/jpeg", b"a face", time.time() - 1)
    store.add_subject(replace(new("alice"), photo=photo), AUDIT, None, reply)
    assert keeper.run().erased["photos"] == 1
