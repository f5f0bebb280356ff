"""The steps of a migration: what each asks for, what it leaves in the audit, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from govid import Settings
from govid.audit import AuditRecord
from govid.cli import cli
from govid.dedup import jobs
from govid.doctor import examine
from govid.errors import MigrationRefused, ModelMissing, ModelNotServing, NoMigration, NotCalibrated
from govid.gallery.shared import open_shared
from govid.migration import steps
from govid.migration.models import check_use_cases, fitting, named, settings_of
from govid.profiles import active
from govid.store import NewReference, migration
from govid.store.sqlite import SqliteStore
from tests.govid.migration.support import enrol, enter, face, kept, shadows
from tests.govid.store.support import AUDIT, reply


@pytest.fixture
def old(tmp_path: Path) -> Settings:
    """Settings of a folder without models."""
    return Settings(data_dir=str(tmp_path), migration_least_compared=0)


@pytest.fixture
def store(old: Settings) -> Iterator[SqliteStore]:
    """Its records."""
    store = SqliteStore(old.database)
    yield store
    store.close()


def changed(settings: Settings, **fields: object) -> Settings:
    return msgspec.structs.replace(settings, **fields)


def begun(store: SqliteStore, old: Settings, new: Settings) -> tuple[str, str]:
    """A migration that was started, without loading a model; the ids of both models."""
    with store.database.writing() as connection:
        now = migration.start(connection, named(old), named(new))
    return now.source.model_id, now.target.model_id


def records(store: SqliteStore) -> list[AuditRecord]:
    with store.database.reading() as connection:
        rows = connection.rows("SELECT record FROM audit WHERE operation = 'migrate' ORDER BY audit_id")
    return [msgspec.json.decode(record, type=AuditRecord) for (record,) in rows]


def test_a_start_tries_the_new_model_and_begins_nothing_without_it(store: SqliteStore, old: Settings) -> None:
    with pytest.raises(MigrationRefused, match="already"):
        steps.start(store, old, old, "r")
    with pytest.raises(ModelMissing):
        steps.start(store, old, changed(old, profile="high_assurance"), "r")
    with pytest.raises(NoMigration):
        steps.report(store, old)


def test_a_start_is_audited_and_changes_nothing_for_anybody(settings: Settings) -> None:
    store = SqliteStore(settings.database)
    found = steps.start(store, settings, changed(settings, profile="high_assurance"), "r-1")
    assert (found.state, found.serving_model_id) == ("prepared", named(settings).model_id)
    (record,) = records(store)
    assert (record.outcome, record.model_id, record.request_id) == ("STARTED", found.target_model_id, "r-1")
    store.close()


def test_a_model_that_cannot_serve_a_use_case_is_refused(old: Settings) -> None:
    high = changed(old, profile="high_assurance")
    check_use_cases(high, old)
    # Of those that govid brings.
    with pytest.raises(MigrationRefused, match="id_document_appointment needs the profile high_assurance"):
        check_use_cases(old, high)
    with pytest.raises(NotCalibrated):
        check_use_cases(changed(high, max_references=1000), old)


def test_a_name_that_means_another_model_here_is_refused(old: Settings) -> None:
    assert settings_of(old, named(changed(old, profile="high_assurance"))).profile == "high_assurance"
    with pytest.raises(MigrationRefused, match="not something-else"):
        settings_of(old, named(old)._replace(model_id="something-else"))


def test_fused_templates_serve_the_first_of_their_parts(old: Settings) -> None:
    fused = active(changed(old, profile="high_assurance"))[0].model_id
    assert fitting(old) == (named(old).model_id, fused)
    assert fitting(changed(old, profile="high_assurance")) == (fused,)


def test_what_is_forced_has_its_reason_in_the_audit(store: SqliteStore, old: Settings) -> None:
    new = changed(old, profile="high_assurance")
    source, target = begun(store, old, new)
    enrol(store, "a", template=face(1, source))
    with pytest.raises(MigrationRefused, match="1 of 1 references"):
        steps.cut_over(store, old, "r-1")
    assert records(store) == []
    assert steps.cut_over(store, old, "r-2", "a drill").serving_model_id == target
    (record,) = records(store)
    assert (record.outcome, record.request_id) == ("CUT_OVER", "r-2")
    assert record.note
    assert "forced: a drill; it is prepared" in record.note
    with pytest.raises(MigrationRefused, match="counts already"):
        steps.cut_over(store, old, "r-3", "again")


def test_what_is_not_forced_is_not_called_so(store: SqliteStore, old: Settings) -> None:
    begun(store, old, changed(old, profile="high_assurance"))
    enter(store, "shadowing")
    steps.cut_over(store, old, "r-1")
    (record,) = records(store)
    assert record.note == "coverage 1.000000, compared 0, changed 0"


def test_a_dedup_job_and_a_change_over_exclude_each_other(store: SqliteStore, old: Settings) -> None:
    source, _ = begun(store, old, changed(old, profile="high_assurance"))
    for n in range(3):
        enrol(store, f"s{n}", template=face(n, source))
    dedup = jobs.opened(old, store)
    job = dedup.start(request_id="r")
    with pytest.raises(MigrationRefused, match=f"dedup job {job.job_id}"):
        steps.cut_over(store, old, "r", "a drill")
    dedup.cancel(job.job_id, request_id="r")
    steps.cut_over(store, old, "r", "a drill")
    with pytest.raises(ModelNotServing):
        dedup.start(request_id="r")
    with pytest.raises(ModelNotServing):
        dedup.resume(job.job_id, request_id="r")


def test_a_way_back_says_what_it_loses(store: SqliteStore, old: Settings) -> None:
    source, target = begun(store, old, changed(old, profile="high_assurance"))
    enrol(store, "both", template=face(1, source), second=face(1, target))
    steps.cut_over(store, old, "r", "a drill")
    lost = enrol(store, "template", template=face(2, target))
    found, count = steps.roll_back(store, old, "r")
    assert (found.state, found.serving_model_id, count) == ("rolled_back", source, 1)
    assert kept(store)[lost] == target
    assert records(store)[-1].note == f"1 references without a template of {source}"


def test_the_end_erases_the_model_that_lost(store: SqliteStore, old: Settings) -> None:
    source, target = begun(store, old, changed(old, profile="high_assurance"))
    reference = enrol(store, "a", template=face(1, source), second=face(1, target))
    with pytest.raises(MigrationRefused, match="it is prepared"):
        steps.finish(store, old, "r")
    steps.cut_over(store, old, "r", "a drill")
    assert steps.finish(store, old, "r").state == "finished"
    assert (kept(store), shadows(store)) == ({reference: target}, [])
    with pytest.raises(NoMigration):
        steps.roll_back(store, old, "r")
    assert [record.outcome for record in records(store)] == ["CUT_OVER", "FINISHED"]


def test_an_end_that_was_killed_goes_on_and_has_no_way_back(store: SqliteStore, old: Settings) -> None:
    source, target = begun(store, old, changed(old, profile="high_assurance"))
    enrol(store, "a", template=face(1, source), second=face(1, target))
    steps.cut_over(store, old, "r", "a drill")
    enter(store, "finishing")
    for step in (steps.roll_back, steps.cut_over):
        with pytest.raises(MigrationRefused, match=r"no way back|it is finishing"):
            step(store, old, "r")
    assert steps.finish(store, old, "r").serving_model_id == target
    assert shadows(store) == []


def test_what_is_given_up_before_it_took_over_leaves_nothing(store: SqliteStore, old: Settings) -> None:
    source, target = begun(store, old, changed(old, profile="high_assurance"))
    reference = enrol(store, "a", template=face(1, source), second=face(1, target))
    steps.roll_back(store, old, "r")
    assert steps.finish(store, old, "r").serving_model_id == source
    assert (kept(store), shadows(store)) == ({reference: source}, [])
    with store.database.reading() as connection:
        assert migration.flips(connection) == 0


def test_the_command_says_that_nothing_was_compared_and_who_needs_a_photo(
    store: SqliteStore, old: Settings
) -> None:
    source, target = begun(store, old, changed(old, profile="high_assurance"))
    enrol(store, "both", template=face(1, source), second=face(1, target))
    for subject in ("zoe", "ann"):
        enrol(store, subject, template=face(2, source))
    store.add_reference(NewReference("zoe", face(3, source), (), 1.0), AUDIT, None, reply, max_references=3)

    def said(*words: str) -> str:
        done = CliRunner().invoke(cli, ["--data-dir", old.data_dir, "migrate", *words])
        assert done.exit_code == 0, done.output
        return done.output

    assert "no decisions were compared" in said("report")
    assert "1 of 4 references have a template of the new model (25.00%)" in said("status")
    assert said("needs-photo") == "ann\nzoe\n"
    assert said("needs-photo", "--json") == '"ann"\n"zoe"\n'
    assert "0 references" not in said("roll-back")
    assert "not reached" not in said("finish")


def test_a_shared_gallery_begins_anew_with_each_change_over(store: SqliteStore, old: Settings) -> None:
    cluster = changed(old, gallery_url="http://127.0.0.1:1")
    profile = active(old)[0]
    names = [open_shared(cluster, profile, store).gallery.name]
    begun(store, old, changed(old, profile="high_assurance"))
    steps.cut_over(store, old, "r", "a drill")
    names.append(open_shared(cluster, profile, store).gallery.name)
    steps.roll_back(store, old, "r")
    names.append(open_shared(cluster, profile, store).gallery.name)
    assert len(set(names)) == 3


def test_doctor_says_that_a_server_would_not_start_after_the_step(store: SqliteStore, old: Settings) -> None:
    new = changed(old, precision="int8")
    begun(store, old, new)
    assert not any("model-not-serving" in problem for problem in examine(old).problems)
    enter(store, "shadowing")
    steps.cut_over(store, old, "r", "a drill")
    assert any("model-not-serving" in problem for problem in examine(old).problems)
    assert not any("model-not-serving" in problem for problem in examine(new).problems)
