"""Whose templates count while no migration is under way: settings that name another model are refused."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from govid import Settings
from govid.cli import cli
from govid.dedup import jobs
from govid.doctor import examine
from govid.errors import MigrationRefused, ModelNotServing
from govid.migration import steps
from govid.migration.models import check_settings, named, settings_of
from govid.store import bulk, migration
from govid.store.migration import Model
from govid.store.records import SqlStore
from govid.store.schema import MIGRATIONS
from govid.store.sqlite import SqliteStore
from tests.govid.migration.support import begin, enrol, enter, face
from tests.govid.store.support import AUDIT, OpenStore, undecided

OLDER = next(entry for entry in MIGRATIONS if "CREATE TABLE serving_model" in entry)


def serving(store: SqlStore) -> str | None:
    with store.database.reading() as connection:
        return migration.serving(connection)


def imported(store: SqlStore, subject: str, model_id: str) -> None:
    one = bulk.Incoming(subject, (), False, model_id, face(7, model_id).embedding.tobytes(), "[]", 1.0)
    with store.database.writing() as connection:
        bulk.insert(connection, store.vault, [one], max_references=3)


def brought_forward(store: SqlStore) -> str | None:
    """What an older version's records say once they are brought forward."""
    with store.database.writing() as connection:
        connection.execute("DROP TABLE serving_model")
        for statement in OLDER.format_map(store.database.words).split(";"):
            if statement.strip():
                connection.execute(statement)
    return serving(store)


@pytest.mark.parametrize("way", ["enrolled", "imported"])
def test_the_first_reference_decides_and_nobody_is_enrolled_by_another_model(
    store: SqlStore, way: str
) -> None:
    assert serving(store) is None
    if way == "imported":
        imported(store, "a", "m")
    else:
        enrol(store, "a")
    assert serving(store) == "m"
    with pytest.raises(ModelNotServing, match="templates of m count, the settings name n"):
        enrol(store, "b", template=face(1))
    with pytest.raises(ModelNotServing):
        imported(store, "b", "n")
    assert enrol(store, "b")
    assert store.counts().subjects == 2


def test_an_emptied_store_follows_the_settings(store: SqlStore) -> None:
    enrol(store, "a")
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    assert serving(store) is None
    enrol(store, "b", template=face(1))
    assert serving(store) == "n"


@pytest.mark.parametrize("enrolled", [False, True])
def test_the_model_that_took_over_counts_after_the_end(store: SqlStore, enrolled: bool) -> None:
    if enrolled:
        enrol(store, "a", 1)
    begin(store)
    assert serving(store) == "m"
    enter(store, "cut_over", "target")
    assert serving(store) == "n"
    enter(store, "finished")
    enrol(store, "b", template=face(2))
    assert serving(store) == "n"
    with pytest.raises(ModelNotServing):
        enrol(store, "c")


def test_what_was_given_up_changes_nothing_after_the_end(store: SqlStore) -> None:
    enrol(store, "a")
    begin(store)
    enter(store, "rolled_back", "source")
    enter(store, "finished")
    assert serving(store) == "m"


def test_a_migration_starts_from_the_model_that_counts(store: SqlStore) -> None:
    enrol(store, "a", template=face(1))
    with pytest.raises(ModelNotServing, match="templates of n count"):
        begin(store)


@pytest.mark.parametrize(
    ("models", "counts"),
    [
        ("", None),
        ("m", "m"),
        ("nmm", "m"),
        ("mmn", None),  # somebody has just changed the settings: or was it the right thing?
        ("nm", None),
    ],
)
def test_records_of_an_older_version_say_it_where_they_are_of_one_mind(
    store: SqlStore, models: str, counts: str | None
) -> None:
    undecided(store)
    for number, model_id in enumerate(models):
        enrol(store, f"s{number}", template=face(number, model_id))
        undecided(store)
    assert brought_forward(store) == counts
    if models and counts is None:
        # As before: nobody knows which of them is wrong.
        enrol(store, "later", template=face(9, "n"))
        assert serving(store) is None


@pytest.mark.parametrize(("last", "counts"), [("m", None), ("n", "n")])
def test_records_of_an_older_version_do_not_contradict_its_migration(
    store: SqlStore, last: str, counts: str | None
) -> None:
    begin(store)
    enter(store, "cut_over", "target")
    enter(store, "finished")
    undecided(store)
    for number in range(2):
        enrol(store, f"s{number}", template=face(number, last))
        undecided(store)
    assert brought_forward(store) == counts


def test_of_two_servers_with_different_settings_the_second_enrols_nobody(
    store: SqlStore, open_store: OpenStore
) -> None:
    other = open_store()
    enrol(store, "a")
    with pytest.raises(ModelNotServing):
        enrol(other, "b", template=face(1))


# --- settings, on a folder without models ---------------------------------------------------------------


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Of a folder in which somebody is enrolled in float32."""
    settings = Settings(data_dir=str(tmp_path / "var"))
    store = SqliteStore(settings.database)
    enrol(store, "alice", template=face(1, named(settings).model_id))
    store.close()
    return settings


def test_other_settings_are_refused_by_whatever_would_use_them(settings: Settings) -> None:
    eight = msgspec.structs.replace(settings, precision="int8")
    store = SqliteStore(settings.database)
    check_settings(store, settings)
    needed = "GOVID_PROFILE=fast GOVID_PRECISION=float32 GOVID_EMBEDDER=sface"
    with pytest.raises(ModelNotServing, match=needed):
        check_settings(store, eight)
    with pytest.raises(ModelNotServing, match=needed):
        steps.start(store, eight, eight, "r")
    with pytest.raises(ModelNotServing):
        jobs.opened(eight, store).start(request_id="r")
    store.close()


def test_an_import_is_refused_before_it_looks_at_anything(settings: Settings, tmp_path: Path) -> None:
    lines = tmp_path / "people.ndjson"
    lines.write_text(json.dumps({"subject_id": "bob", "photo": "bob.jpg"}) + "\n")
    said = CliRunner().invoke(
        cli, ["--data-dir", settings.data_dir, "import", str(lines)], env={"GOVID_PRECISION": "int8"}
    )
    assert isinstance(said.exception, ModelNotServing)
    assert "GOVID_PRECISION=float32" in said.exception.detail


def test_doctor_says_whose_templates_count_and_with_which_settings(settings: Settings) -> None:
    storage = examine(settings).storage
    assert storage["templates"].startswith(
        f"of {named(settings).model_id}; a server needs GOVID_PROFILE=fast"
    )
    eight = examine(msgspec.structs.replace(settings, precision="int8"))
    assert [problem for problem in eight.problems if problem.startswith("model-not-serving")]
    assert [problem for problem in eight.problems if problem.startswith("1 references")]


def test_the_model_of_an_embedder_that_is_not_here_has_no_settings(tmp_path: Path) -> None:
    settings = Settings(data_dir=str(tmp_path / "var"))
    store = SqliteStore(settings.database)
    enrol(store, "alice")
    store.close()
    assert "the version or embedder that made them" in examine(settings).storage["templates"]


def test_a_model_that_no_settings_name_any_more_can_be_left(settings: Settings) -> None:
    lost = Model("sface-of-an-older-version", "", "", "")
    store = SqliteStore(settings.database)
    with store.database.writing() as connection:
        connection.execute("UPDATE serving_model SET model_id = ?", (lost.model_id,))
    with pytest.raises(ModelNotServing, match=lost.model_id):
        check_settings(store, settings)
    with store.database.writing() as connection:
        migration.start(connection, lost, named(settings))
    with pytest.raises(MigrationRefused, match="no settings name"):
        settings_of(settings, lost)
    steps.cut_over(store, settings, "r", "its photos were not kept")
    check_settings(store, settings)
    steps.finish(store, settings, "r")
    check_settings(store, settings)
    store.close()
