"""``GOVID_PRECISION=auto``: what it comes to, and that templates of two precisions never meet by it."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import msgspec
import pytest
from click.testing import CliRunner

from govid import Decision, Engine, Settings, precision, profiles
from govid.auto_precision import settled, settled_here
from govid.cli import cli
from govid.doctor import examine
from govid.errors import InvalidSettings, ModelNotServing, PrecisionUnavailable
from govid.faces import FacePipeline
from govid.guard import file_name
from govid.migration import steps
from govid.migration.models import check_settings, named
from govid.runtime import openvino_session
from govid.store import migration
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from tests import support
from tests.govid.migration.support import enrol, face, take_over
from tests.govid.store.support import AUDIT, undecided
from tests.govid.test_guard import loss_of
from tests.govid.test_models import manifest, tiny_embedder
from tests.support import BIDEN, OBAMA, OBAMA_LATER

AUTO = Settings(precision="auto")
VNNI, AMX, PLAIN = frozenset({"avx_vnni"}), frozenset({"amx_bf16", "amx_int8"}), frozenset({"amx_bf16"})
needs_openvino = pytest.mark.skipif(not openvino_session.installed(), reason="OpenVINO is not installed")

SetCpu = Callable[[frozenset[str]], None]


@pytest.fixture
def cpu(monkeypatch: pytest.MonkeyPatch) -> SetCpu:
    """Gives this machine a CPU with these flags alone."""
    return lambda flags: monkeypatch.setattr(precision, "cpu_flags", lambda: flags)


@pytest.fixture
def auto(tmp_path: Path) -> Settings:
    """Settings of an empty folder without models."""
    return Settings(data_dir=str(tmp_path / "var"), precision="auto")


def of(settings: Settings, word: str, **more: str) -> Settings:
    return msgspec.structs.replace(settings, precision=word, **more)


def kept_by(settings: Settings) -> Settings:
    """Somebody is enrolled by the model of the settings."""
    store = SqliteStore(settings.database)
    enrol(store, "alice", template=face(1, named(settings).model_id))
    store.close()
    return settings


# --- nobody is enrolled ---------------------------------------------------------------------------------


@needs_openvino
@pytest.mark.parametrize("profile", ["fast", "high_assurance"])
@pytest.mark.parametrize(
    ("flags", "word"), [(VNNI, "int8"), (AMX, "int8"), (PLAIN, "float32"), (frozenset(), "float32")]
)
def test_a_new_registry_gets_int8_where_the_cpu_is_fast_in_it(
    store: SqlStore, cpu: SetCpu, flags: frozenset[str], word: str, profile: str
) -> None:
    cpu(flags)
    assert settled(of(AUTO, "auto", profile=profile), store) == of(AUTO, word, profile=profile)


@pytest.mark.parametrize("word", ["float32", "bfloat16", "int8"])
def test_a_precision_by_its_name_is_left_alone(store: SqlStore, word: str) -> None:
    enrol(store, "alice")
    assert settled(of(AUTO, word), store) == of(AUTO, word)


def test_what_cannot_run_in_int8_is_float32(auto: Settings, cpu: SetCpu, tmp_path: Path) -> None:
    cpu(VNNI)
    own = str(manifest(tmp_path / "own", tiny_embedder()))
    for more in (
        {"runtime": "onnxruntime"},
        {"embedder": own},
        {"embedder": "fr_feature"},  # it has ranges and no calibration
    ):
        assert settled_here(of(auto, "auto", **more)) == of(auto, "float32", **more)


@needs_openvino
def test_a_model_that_fails_the_guard_is_passed_over(auto: Settings, cpu: SetCpu) -> None:
    cpu(VNNI)
    eight = named(of(auto, "int8")).model_id
    auto.calibrations_dir.mkdir(parents=True)
    file = auto.calibrations_dir / file_name(eight)
    file.write_bytes(msgspec.json.encode(loss_of(eight, lost_pairs=2)))
    assert settled_here(auto).precision == "float32"
    file.write_bytes(msgspec.json.encode(loss_of(eight, lost_pairs=1)))
    assert settled_here(auto).precision == "int8"
    # What is broken is mended, not gone round.
    file.write_bytes(b"{}")
    with pytest.raises(InvalidSettings, match=r"loss\.json"):
        settled_here(auto)


# --- somebody is enrolled -------------------------------------------------------------------------------


@needs_openvino
@pytest.mark.parametrize("word", ["float32", "bfloat16", "int8"])
@pytest.mark.parametrize("profile", ["fast", "high_assurance"])
def test_the_records_are_followed_whatever_the_cpu(
    auto: Settings, cpu: SetCpu, word: str, profile: str
) -> None:
    mine = of(auto, word, profile=profile)
    kept_by(mine)
    for flags in (VNNI, frozenset[str]()):
        cpu(flags)
        assert settled_here(of(mine, "auto")) == mine


@needs_openvino
def test_what_the_records_need_and_the_machine_lacks_is_refused(auto: Settings, cpu: SetCpu) -> None:
    support.data_dir(Path(auto.data_dir))
    kept_by(of(auto, "bfloat16"))
    cpu(VNNI)
    with pytest.raises(PrecisionUnavailable, match="bfloat16: this CPU has neither"):
        Engine(auto)
    report = examine(auto)
    assert (report.precision, report.precision_is_auto) == ("bfloat16", True)
    assert [said for said in report.problems if said.startswith("precision-unavailable: bfloat16")]


def test_the_precision_alone_is_followed(auto: Settings) -> None:
    eight = kept_by(of(auto, "int8", profile="high_assurance"))
    found = settled_here(auto)
    assert found == of(auto, "int8")
    store = SqliteStore(auto.database)
    needed = "GOVID_PROFILE=high_assurance GOVID_PRECISION=int8"
    with pytest.raises(ModelNotServing, match=needed):
        check_settings(store, found)
    store.close()
    assert settled_here(of(eight, "auto")) == eight


def test_a_model_that_no_settings_name_is_met_in_float32_and_refused(auto: Settings, cpu: SetCpu) -> None:
    cpu(VNNI)
    store = SqliteStore(auto.database)
    enrol(store, "alice", template=face(1, "sface-of-an-older-version"))
    found = settled(auto, store)
    assert found.precision == "float32"
    with pytest.raises(ModelNotServing, match="sface-of-an-older-version"):
        check_settings(store, found)
    store.close()


def test_records_that_do_not_say_whose_templates_count_are_not_guessed_at(
    store: SqlStore, cpu: SetCpu
) -> None:
    cpu(VNNI)
    enrol(store, "alice", template=face(1, named(Settings()).model_id))
    undecided(store)
    with pytest.raises(ModelNotServing, match="it is not known whose templates count"):
        settled(AUTO, store)


@needs_openvino
def test_emptied_records_are_new_ones(store: SqlStore, cpu: SetCpu) -> None:
    cpu(VNNI)
    enrol(store, "alice", template=face(1, named(Settings()).model_id))
    assert settled(AUTO, store).precision == "float32"
    store.delete_subject("alice", AUDIT, None, lambda _: b"")
    assert settled(AUTO, store).precision == "int8"


@needs_openvino
def test_each_step_of_a_migration_is_followed(store: SqlStore, cpu: SetCpu) -> None:
    cpu(frozenset())
    plain, eight = named(Settings()), named(of(AUTO, "int8"))
    enrol(store, "alice", template=face(1, plain.model_id))

    def after(state: str, serves: str | None = None) -> str:
        with store.database.writing() as connection:
            migration.enter(connection, migration.required(connection), state, serves)
        return settled(AUTO, store).precision

    with store.database.writing() as connection:
        migration.start(connection, plain, eight)
    assert settled(AUTO, store).precision == "float32"
    assert after("cut_over", "target") == "int8"
    assert after("rolled_back", "source") == "float32"
    assert after("cut_over", "target") == "int8"
    assert after("finished") == "int8"


# --- who is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize("runtime", ["auto", "onnxruntime"])
def test_what_asks_no_records_gets_no_auto(runtime: str) -> None:
    settings = of(AUTO, "auto", runtime=runtime)
    for use in (FacePipeline, profiles.active, precision.check, named):
        with pytest.raises(PrecisionUnavailable, match="auto: what asks no records"):
            use(settings)
    assert profiles.models_of(settings) == profiles.active(Settings())[0].models


@needs_openvino
def test_of_two_new_engines_with_other_cpus_one_enrols(
    settings: Settings, cpu: SetCpu, caplog: pytest.LogCaptureFixture
) -> None:
    auto = of(settings, "auto")
    caplog.set_level(logging.INFO, "govid.precision")
    cpu(VNNI)
    fast = Engine(auto)
    cpu(frozenset())
    plain = Engine(auto)
    assert [fast.settings.precision, plain.settings.precision] == ["int8", "float32"]
    assert [line for line in caplog.messages if line.startswith("precision auto is int8: nobody is enrolled")]
    together = Barrier(2)

    def enrolled(engine: Engine, subject: str) -> bool:
        together.wait()
        try:
            return bool(engine.enrol(subject, OBAMA if engine is fast else BIDEN))
        except ModelNotServing:
            return False

    with fast, plain:
        with ThreadPoolExecutor(2) as pool:
            won = list(pool.map(enrolled, (fast, plain), ("first", "second")))
        assert sorted(won) == [False, True]
        winner, loser = (fast, plain) if won[0] else (plain, fast)
        subject, photo = ("first", OBAMA) if won[0] else ("second", BIDEN)
        for use in (
            lambda: loser.verify(subject, photo),
            lambda: loser.identify(photo),
            lambda: loser.add_reference(subject, photo),
            lambda: loser.enrol("third", photo),
        ):
            with pytest.raises(ModelNotServing):
                use()
        with winner.store.database.reading() as connection:
            assert connection.rows("SELECT DISTINCT model_id FROM reference") == [(winner.model_id,)]
    # Started anew, each follows the one that won.
    for flags in (VNNI, frozenset[str]()):
        cpu(flags)
        with Engine(auto) as again:
            assert again.model_id == winner.model_id
            assert again.verify(subject, photo).decision is Decision.MATCH


@needs_openvino
def test_an_engine_that_started_before_a_cut_over_needs_a_restart_only(
    settings: Settings, cpu: SetCpu
) -> None:
    cpu(frozenset())
    auto = of(settings, "auto")
    with Engine(auto) as before:
        before.enrol("obama", OBAMA)
        take_over(of(settings, "float32"), of(settings, "int8"))
        with pytest.raises(ModelNotServing):
            before.identify(OBAMA_LATER)
    with Engine(auto) as after:
        assert after.settings.precision == "int8"
        after.add_reference("obama", OBAMA)
        assert after.verify("obama", OBAMA_LATER).decision is Decision.MATCH


# --- commands -------------------------------------------------------------------------------------------


@needs_openvino
def test_commands_that_use_the_model_of_the_records_ask_them(settings: Settings, tmp_path: Path) -> None:
    eight = kept_by(of(settings, "int8"))
    auto = of(settings, "auto")
    report = examine(auto)
    assert (report.precision, report.precision_is_auto) == ("int8", True)
    assert not [said for said in report.problems if said.startswith(("precision-", "model-", "not-calib"))]
    assert "precision   int8 (auto) of " in report.text()
    assert f"GOVID_PRECISION={eight.precision}" in report.storage["templates"]

    def said(*words: str) -> str:
        done = CliRunner().invoke(
            cli, ["--data-dir", settings.data_dir, *words], env={"GOVID_PRECISION": "auto"}
        )
        assert done.exit_code == 0, done.output
        return done.output

    assert "precision = auto  (GOVID_PRECISION)" in said("settings", "precision")
    exported = json.loads(said("export", "-").splitlines()[0])
    assert exported["subject_id"] == "alice"
    assert json.loads(said("models", "verify", "--json"))
    # From the model of the records to the one that is named.
    started = json.loads(said("migrate", "start", "--precision", "float32", "--json"))
    assert (started["source_model_id"], started["target_model_id"]) == (
        named(eight).model_id,
        named(of(settings, "float32")).model_id,
    )


def test_a_migration_leaves_the_precision_where_it_is_not_named(settings: Settings) -> None:
    kept_by(of(settings, "float32"))
    done = CliRunner().invoke(
        cli,
        ["--data-dir", settings.data_dir, "migrate", "start", "--profile", "high_assurance", "--json"],
        env={"GOVID_PRECISION": "auto"},
    )
    assert done.exit_code == 0, done.output
    assert "GOVID_PRECISION=float32" in json.loads(done.stdout)["target_settings"]
    store = SqliteStore(settings.database)
    assert steps.report(store, of(settings, "auto")).state == "prepared"
    store.close()
