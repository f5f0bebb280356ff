"""What a migration is said to have come to, and whether that is enough."""

from __future__ import annotations

import msgspec
import pytest

from govid import Settings
from govid.migration import report as reports
from govid.store import migration, shadow
from govid.store.records import SqlStore
from govid.store.shadow import Pair, Sums
from tests.govid.migration.support import begin, enrol, enter, face


def found(store: SqlStore) -> reports.Report:
    with store.database.reading() as connection:
        return reports.report(connection, migration.required(connection), ["n"])


def counted(store: SqlStore, **outcomes: int) -> None:
    """Outcomes of ``general``, as OLD_TO_NEW=count."""
    with store.database.writing() as connection:
        now = migration.required(connection)
        for name, count in outcomes.items():
            old, new = name.split("_TO_")
            sums = Sums(count, 0.5 * count, 0.25 * count, -4.0 * count, -2.0 * count)
            shadow.count(connection, now.migration_id, {Pair("general", old, new): sums})


@pytest.mark.parametrize(
    ("count", "total", "lower", "upper"),
    [(0, 1000, 0.0, 0.003827), (10, 100, 0.055229, 0.174366), (3, 3, 0.438503, 1.0), (0, 0, 0.0, 1.0)],
)
def test_the_interval_is_wilsons(count: int, total: int, lower: float, upper: float) -> None:
    share = reports.share(count, total)
    assert (share.lower, share.upper) == pytest.approx((lower, upper), abs=2e-6)


def test_the_report_counts_by_use_case_and_direction(store: SqlStore) -> None:
    begin(store)
    enrol(store, "both", 1, second=face(1))
    enrol(store, "old", 2)
    counted(store, MATCH_TO_MATCH=90, MATCH_TO_NON_MATCH=6, NON_MATCH_TO_MATCH=1, INCONCLUSIVE_TO_MATCH=3)
    report = found(store)
    assert (report.references, report.covered, report.coverage, report.not_embedded) == (2, 1, 0.5, 1)
    assert (report.compared, report.changed.count) == (100, 10)
    (general,) = report.use_cases
    assert general.unchanged.count == 90
    counts = {(one.old.value, one.new.value): one.of_all.count for one in general.transitions}
    assert len(counts) == 6
    assert {pair: count for pair, count in counts.items() if count} == {
        ("MATCH", "NON_MATCH"): 6,
        ("NON_MATCH", "MATCH"): 1,
        ("INCONCLUSIVE", "MATCH"): 3,
    }
    lost = next(one for one in general.transitions if one.of_all.count == 6)
    means = (lost.mean_old_score, lost.mean_new_score, lost.mean_old_fmr, lost.mean_new_fmr)
    assert means == pytest.approx((0.5, 0.25, 1e-4, 1e-2))


def test_the_new_model_takes_over_only_when_everything_asked_for_is_there(store: SqlStore) -> None:
    settings = Settings(migration_least_compared=1000)
    begin(store)
    enrol(store, "both", 1, second=face(1))
    assert len(reports.shortcomings(found(store), settings)) == 2
    enter(store, "shadowing")
    (few,) = reports.shortcomings(found(store), settings)
    assert "0 decisions were compared where 1000" in few
    counted(store, MATCH_TO_MATCH=1000)
    assert reports.shortcomings(found(store), settings) == []
    enrol(store, "old", 2)
    (uncovered,) = reports.shortcomings(found(store), settings)
    assert "1 of 2 references" in uncovered
    loose = msgspec.structs.replace(settings, migration_least_coverage=0.5)
    assert reports.shortcomings(found(store), loose) == []
    counted(store, MATCH_TO_NON_MATCH=100)
    changed, in_use_case = reports.shortcomings(found(store), loose)
    assert "migration_most_changed" in changed
    assert "use case general" in in_use_case
