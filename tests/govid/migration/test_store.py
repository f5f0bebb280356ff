"""Two templates of a reference, and which of them counts, in every record store."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from govid.errors import MigrationRefused, ModelNotServing, NoMigration, SealBroken
from govid.store import Stored, bulk, dedup, listing, migration, shadow
from govid.store.records import SqlStore
from govid.types import Template
from tests.govid.migration.support import begin, enrol, enter, face, kept, shadow_add, shadows
from tests.govid.store.support import AUDIT, QUALITY, OpenStore, new, reply


def served(store: SqlStore, subject: str, reference_id: int) -> set[str]:
    """The models of one reference as each reader of the store finds them."""
    with store.database.reading() as connection:
        listed = [one.reference for one in listing.references(connection, store.vault)]
        of_job = [row[4] for row in dedup.templates(connection, 0, 1000) if row[0] == reference_id]
    found = [
        *store.templates(subject),
        *(reference.template for reference in store.references(subject)),
        *(reference.template for reference in listed if reference.reference_id == reference_id),
        *store.templates_by_id([reference_id]).values(),
        *(template for i, template in store.all_templates()[1] if i == reference_id),
        *(change.template for change in store.changes(after=0, limit=1000) if change.template),
    ]
    assert len(found) == 6  # the tests that ask have one reference
    return {template.model_id for template in found} | set(of_job)


def test_all_readers_change_over_and_back_in_one_step(store: SqlStore) -> None:
    reference = enrol(store, "a", 1)
    begin(store)
    assert shadow_add(store, reference, 1) == 1
    assert served(store, "a", reference) == {"m"}
    enter(store, "cut_over", "target")
    assert served(store, "a", reference) == {"n"}
    np.testing.assert_array_equal(store.templates("a")[0].embedding, face(1).embedding)
    enter(store, "rolled_back", "source")
    assert served(store, "a", reference) == {"m"}
    np.testing.assert_array_equal(store.templates("a")[0].embedding, new("a", 1).template.embedding)


def test_the_template_that_does_not_count_is_known_too(store: SqlStore) -> None:
    reference, single = enrol(store, "a", 1), enrol(store, "b", 2)
    begin(store)
    shadow_add(store, reference, 1)

    def second(reference_id: int) -> Template | None:
        with store.database.reading() as connection:
            return shadow.second(connection, store.vault, reference_id)

    for state, serves, model_id in (("cut_over", "target", "m"), ("rolled_back", "source", "n")):
        enter(store, state, serves)
        found = second(reference)
        assert found
        assert found.model_id == model_id
        assert second(single) is None


def test_a_reference_without_a_second_template_keeps_its_own(store: SqlStore) -> None:
    reference = enrol(store, "a")
    begin(store)
    enter(store, "cut_over", "target")
    assert served(store, "a", reference) == {"m"}


def test_a_new_reference_has_both_before_and_after_the_change_over(store: SqlStore) -> None:
    begin(store)
    before = enrol(store, "before", 1, second=face(1))
    enter(store, "cut_over", "target")
    after = enrol(store, "after", 2, template=face(2), second=new("after", 2).template)
    assert kept(store) == {before: "m", after: "m"}
    assert shadows(store) == [before, after]
    np.testing.assert_array_equal(store.templates("after")[0].embedding, face(2).embedding)
    enter(store, "rolled_back", "source")
    np.testing.assert_array_equal(store.templates("after")[0].embedding, new("after", 2).template.embedding)


def test_a_second_template_of_another_migration_is_not_kept(store: SqlStore) -> None:
    begin(store)
    enrol(store, "a", second=face(1, "x"))
    assert shadows(store) == []


def test_nothing_is_written_by_a_model_that_does_not_count(store: SqlStore) -> None:
    begin(store)
    with pytest.raises(ModelNotServing):
        enrol(store, "a", template=face(1))
    enter(store, "cut_over", "target")
    with pytest.raises(ModelNotServing, match="GOVID_PRECISION=int8"):
        enrol(store, "a")
    incoming = bulk.Incoming("b", (), False, "m", new("b").template.embedding.tobytes(), "[]", 1.0)
    with store.database.writing() as connection, pytest.raises(ModelNotServing):
        bulk.insert(connection, store.vault, [incoming], max_references=3)
    assert store.counts().subjects == 0


def test_a_deletion_takes_the_second_template_along(store: SqlStore) -> None:
    begin(store)
    enrol(store, "a", 1, second=face(1))
    stays = enrol(store, "b", 2, second=face(2))
    with store.database.writing() as connection:
        shadow.add(connection, store.vault, {}, {stays: "no-photo"}, news=False)
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    assert shadows(store) == [stays]


@pytest.mark.parametrize("serves", ["source", "target"])
def test_a_deleted_reference_goes_on_both_sides_and_the_other_stays(store: SqlStore, serves: str) -> None:
    first = enrol(store, "a", 1)
    begin(store)
    if serves == "target":
        enter(store, "cut_over", "target")
    one, other = face(2), new("a", 2).template
    made, second = (one, other) if serves == "target" else (other, one)
    added = store.add_reference(
        replace(new("a", 2), template=made, second=second), AUDIT, None, reply, max_references=9
    )
    assert isinstance(added, Stored)
    shadow_add(store, first, 1)
    store.set_groups("a", ["north"], AUDIT)
    assert store.reference_ids(groups=["north"]).tolist() == [first, added.reference.reference_id]
    store.delete_reference("a", added.reference.reference_id, AUDIT, None, lambda _: b"")
    assert shadows(store) == [first]
    assert list(store.templates_of("a")) == [first]
    enter(store, "prepared", "source" if serves == "target" else "target")
    assert list(store.templates_of("a")) == store.reference_ids(groups=["north"]).tolist() == [first]


def test_what_was_deleted_meanwhile_gets_no_second_template(store: SqlStore) -> None:
    reference = enrol(store, "a")
    begin(store)
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    assert shadow_add(store, reference) == 0
    with store.database.writing() as connection:
        shadow.add(connection, store.vault, {}, {reference: "no-photo"}, news=False)
        assert connection.rows("SELECT * FROM shadow_obstacle") == []


def test_a_second_template_is_sealed_as_its_subjects(store: SqlStore) -> None:
    mine, other = enrol(store, "a", 1), enrol(store, "b", 2)
    begin(store)
    shadow_add(store, mine, 1)
    shadow_add(store, other, 2)
    with store.database.writing() as connection:
        (stored,) = (
            connection.row("SELECT embedding FROM shadow_template WHERE reference_id = ?", (mine,)) or ()
        )
        assert face(1).embedding.astype("<f4").tobytes() not in bytes(stored)
        connection.execute(
            "UPDATE shadow_template SET embedding = ? WHERE reference_id = ?", (bytes(stored), other)
        )
    enter(store, "cut_over", "target")
    with pytest.raises(SealBroken):
        store.templates("b")


@pytest.mark.parametrize(("serves", "stays"), [("target", "n"), ("source", "m")])
def test_the_end_keeps_the_templates_that_count_and_no_others(
    store: SqlStore, serves: str, stays: str
) -> None:
    begin(store)
    references = [enrol(store, f"s{n}", n, second=face(n)) for n in range(3)]
    alone = enrol(store, "alone", 9)
    enter(store, "cut_over", "target")
    enter(store, "finishing", serves)
    before = [store.templates(f"s{n}")[0] for n in range(3)]
    with store.database.writing() as connection:
        assert shadow.settle(connection, keep=serves == "target") == 3
        assert shadow.settle(connection, keep=serves == "target") == 0
    enter(store, "finished")
    assert shadows(store) == []
    assert kept(store) == {**dict.fromkeys(references, stays), alone: "m"}
    for n, template in enumerate(before):
        (after,) = store.templates(f"s{n}")
        assert (after.model_id, after.embedding.tolist()) == (stays, template.embedding.tolist())


def test_there_is_one_migration_at_a_time(store: SqlStore) -> None:
    begin(store)
    with pytest.raises(MigrationRefused, match="migration 1 to n is prepared"):
        begin(store)
    enter(store, "finished")
    with store.database.reading() as connection:
        assert migration.newest(connection).state == "finished"
        with pytest.raises(NoMigration):
            migration.required(connection)
    assert begin(store).migration_id == 2


def test_each_change_over_is_counted_and_other_steps_are_not(store: SqlStore) -> None:
    begin(store)
    for state, serves in (("shadowing", None), ("cut_over", "target"), ("rolled_back", "source")):
        enter(store, state, serves)
    enter(store, "finished")
    begin(store)
    enter(store, "cut_over", "target")
    with store.database.reading() as connection:
        assert migration.flips(connection) == 3


def test_workers_claim_different_references_and_find_what_is_missing(
    store: SqlStore, open_store: OpenStore
) -> None:
    ids = [enrol(store, f"s{n}", n) for n in range(7)]
    now = begin(store)
    claims = []
    for n in range(5):
        with (store, open_store())[n % 2].database.writing() as connection:
            claims.append(migration.claim(connection, now.migration_id, 3))
    assert claims == [(0, ids[2]), (ids[2], ids[5]), (ids[5], ids[6]), None, None]
    shadow_add(store, ids[0])
    with store.database.writing() as connection:
        shadow.add(connection, store.vault, {}, {ids[1]: "no-photo"}, news=False)
        found = shadow.missing(connection, ["n"], after=0, to=ids[5], limit=3)
        assert found == [(i, f"s{n}") for n, i in enumerate(ids)][2:5]
        assert shadow.missing(connection, ["n", "m"], after=0, to=ids[6], limit=9) == []


def test_coverage_counts_templates_and_those_that_fit_as_they_are(store: SqlStore) -> None:
    begin(store)
    enrol(store, "both", 1, second=face(1))
    enrol(store, "old", 2)
    obstacle = enrol(store, "obstacle", 3)
    with store.database.writing() as connection:
        shadow.add(connection, store.vault, {}, {obstacle: "no-photo"}, news=False)
        assert shadow.coverage(connection, ["n"]) == (3, 1, {"no-photo": 1})
        assert shadow.coverage(connection, ["n", "m"])[:2] == (3, 3)
        assert list(shadow.uncovered(connection, ["n"])) == ["obstacle", "old"]


def test_a_template_that_counts_at_once_is_news_for_galleries(store: SqlStore) -> None:
    reference = enrol(store, "a", 1)
    begin(store)
    enter(store, "cut_over", "target")
    last = store.changes(after=0, limit=10)[-1].sequence
    shadow_add(store, reference, 1, news=True)
    (change,) = store.changes(after=last, limit=10)
    assert change.template
    assert (change.reference_id, change.template.model_id) == (reference, "n")


def test_outcomes_add_up(store: SqlStore) -> None:
    now = begin(store)
    pair = shadow.Pair("general", "MATCH", "NON_MATCH")
    for _ in range(2):
        with store.database.writing() as connection:
            shadow.count(connection, now.migration_id, {pair: shadow.Sums(2, 1.0, 0.5, -8.0, -4.0)})
    with store.database.reading() as connection:
        assert shadow.outcomes(connection, now.migration_id) == {pair: (4, 2.0, 1.0, -16.0, -8.0)}


def test_the_quality_of_a_reference_stays_its_own(store: SqlStore) -> None:
    begin(store)
    enrol(store, "a", 1, second=face(1))
    enter(store, "cut_over", "target")
    (reference,) = store.references("a")
    assert isinstance(reference.template, Template)
    assert reference.quality == QUALITY
    assert reply(reference, None)
