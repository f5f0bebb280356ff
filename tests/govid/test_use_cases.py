"""Policies: the shipped ones hold together, the operator's are read anew, a wrong one is never in force."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from govid import Decision, Engine, Settings, use_cases
from govid.errors import (
    InvalidSettings,
    LivenessUnavailable,
    LowQuality,
    MultipleFaces,
    NotCalibrated,
    ProfileUnavailable,
    ReferenceTooOld,
    TemplateNotAccepted,
    UnknownUseCase,
)
from govid.faces import FacePipeline
from govid.quality.gates import GATEABLE
from govid.store.audit import AuditFilter
from govid.types import Template
from govid.use_cases import UseCases, parse
from tests import support
from tests.support import BIDEN, OBAMA, OBAMA_LATER, SAMPLES, encoded, opened

SHIPPED = {
    "general",
    "hotel_checkin",
    "security_check",
    "parcel_service",
    "venue_entry",
    "station_airport",
    "id_document_appointment",
    "driving_licence_check",
    "social_security_kiosk",
    "remote_certification",
    "portal_login",
}
PLAIN = 'version = "1"\nrationale = "a test"\nfmr = 1e-4\ninconclusive_fmr = 1e-3\nfpir = 1e-2\n'


def test_every_shipped_use_case_is_read_and_says_why(tmp_path: Path) -> None:
    cases = UseCases(tmp_path / "none").all()
    assert {case.name for case in cases} == SHIPPED
    assert len({case.policy_id for case in cases}) == len(cases)


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_where_nobody_looks_on_liveness_is_demanded_and_templates_are_not_taken(name: str) -> None:
    case = use_cases.shipped(name)
    alone = {"social_security_kiosk", "remote_certification", "portal_login"}
    assert (case.liveness != "none") == (name in alone)
    if name in alone:
        assert not case.accepts_templates
        assert case.attempts is not None


def test_gateable_measures_are_those_of_every_photo(faces: FacePipeline) -> None:
    png = encoded(opened(OBAMA))
    measured = {measure.name for measure in faces.sample(png).quality}
    # Where the face is large enough to tell.
    assert measured - {"CompressionArtifacts"} == GATEABLE


# --- files of the operator -----------------------------------------------------------------------------


class Folder:
    """The operator's folder, and use cases that look at it at every call."""

    def __init__(self, path: Path) -> None:
        path.mkdir()
        self.path = path
        self._writes = 0

    def write(self, name: str, content: str) -> None:
        self._writes += 1
        file = self.path / f"{name}.toml"
        file.write_text(content)
        # File systems with coarse clocks exist.
        os.utime(file, ns=(self._writes * 10**9, self._writes * 10**9))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    monkeypatch.setattr(use_cases, "CHECK_SECONDS", 0.0)
    return Folder(tmp_path / "use_cases")


def test_a_file_adds_and_one_of_a_shipped_name_replaces(folder: Folder) -> None:
    folder.write("casino", PLAIN)
    folder.write("hotel_checkin", PLAIN.replace("1e-4", "1e-5"))
    cases = UseCases(folder.path)
    assert cases("casino").fmr == 1e-4
    assert cases("hotel_checkin").fmr == 1e-5
    assert use_cases.shipped("hotel_checkin").fmr == 1e-4


def test_a_change_is_in_force_without_a_restart(folder: Folder) -> None:
    cases = UseCases(folder.path)
    with pytest.raises(UnknownUseCase, match="general"):
        cases("casino")
    folder.write("casino", PLAIN)
    before = cases("casino").policy_id
    folder.write("casino", PLAIN.replace("1e-4", "1e-5"))
    assert cases("casino").fmr == 1e-5
    assert cases("casino").policy_id != before
    (folder.path / "casino.toml").unlink()
    with pytest.raises(UnknownUseCase):
        cases("casino")


def test_a_wrong_change_leaves_all_as_they_were_and_is_named(folder: Folder) -> None:
    folder.write("casino", PLAIN)
    cases = UseCases(folder.path)
    folder.write("casino", PLAIN + "fmrr = 0.1\n")
    assert cases("casino").fmr == 1e-4
    assert cases.problem is not None
    assert "fmrr" in cases.problem
    folder.write("casino", PLAIN)
    cases("casino")
    assert cases.problem is None


def test_a_folder_that_goes_away_leaves_its_use_cases_in_force(folder: Folder) -> None:
    folder.write("general", PLAIN.replace("1e-4", "1e-6"))
    cases = UseCases(folder.path)
    folder.path.rename(folder.path.with_name("unmounted"))
    assert cases("general").fmr == 1e-6
    assert cases.problem is not None
    folder.path.with_name("unmounted").rename(folder.path)
    cases("general")
    folder.write("general", PLAIN.replace("1e-4", "1e-5"))
    assert (cases("general").fmr, cases.problem) == (1e-5, None)


def test_a_folder_that_was_named_must_be_there(settings: Settings, tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="is no folder"):
        Engine(msgspec.structs.replace(settings, use_cases_dir=str(tmp_path / "typo")))


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (PLAIN + "fmrr = 0.1\n", "fmrr"),
        (PLAIN.replace("1e-4", "0"), "fmr"),
        (PLAIN.replace("1e-4", "2.0"), "fmr"),
        (PLAIN.replace("1e-4", "nan"), "fmr"),
        (PLAIN.replace("1e-4", '"low"'), "fmr"),
        (PLAIN.replace("1e-3", "1e-5"), "inconclusive_fmr"),
        (PLAIN.replace('version = "1"\n', ""), "version"),
        (PLAIN + 'liveness = "maybe"\n', "liveness"),
        (PLAIN + 'name = "other"\n', "name"),
        (PLAIN + 'digest = "00000000"\n', "digest"),
        (PLAIN + "least_quality = { Beauty = 50 }\n", "Beauty"),
        (PLAIN + "least_quality = { Sharpness = 101 }\n", "least_quality"),
        (PLAIN + "least_quality = { Sharpness = 30 }\n", "accepts_templates"),
        (PLAIN + "attempts = { limit = 0, window_seconds = 1 }\n", "limit"),
        (PLAIN + "attempts = { limit = 1 }\n", "window_seconds"),
        (PLAIN + "second_face_ratio = 0\n", "second_face_ratio"),
        ("version = ", "Invalid value"),
        ("\x00", "line 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(content: str, named: str) -> None:
    with pytest.raises(InvalidSettings, match=f"casino.toml.*{named}"):
        parse("casino", content.encode(), "casino.toml")


@pytest.mark.parametrize("name", ["", "Casino", "a b", "../a", "1a", "a" * 65])
def test_a_use_case_has_a_plain_name(name: str) -> None:
    with pytest.raises(InvalidSettings):
        parse(name, PLAIN.encode(), "file")


def test_a_rate_that_no_data_support_stops_the_start(settings: Settings) -> None:
    settings.use_cases.mkdir()
    (settings.use_cases / "casino.toml").write_text(PLAIN.replace("1e-4", "1e-7"))
    with pytest.raises(InvalidSettings, match=r"casino.toml.*calibrate with more people"):
        Engine(settings)


def test_a_shipped_one_that_the_installation_cannot_support_stops_the_start(settings: Settings) -> None:
    with pytest.raises(NotCalibrated):
        Engine(msgspec.structs.replace(settings, max_references=1000))


# --- in force ------------------------------------------------------------------------------------------


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    for name, more in (
        ("sharp", "accepts_templates = false\nleast_quality = { Sharpness = 100 }"),
        ("alone", "second_face_ratio = 0.01"),
        ("photo_only", "accepts_templates = false"),
        ("recent", "max_reference_age_days = 30"),
        ("alive", 'liveness = "passive"'),
    ):
        support.use_case(Path(settings.data_dir), name, more)
    with Engine(settings) as engine:
        engine.enrol("obama", OBAMA)
        yield engine


def test_a_decision_names_the_policy_it_was_made_by(engine: Engine) -> None:
    decided = engine.verify("obama", OBAMA_LATER, use_case="hotel_checkin")
    assert decided.policy == use_cases.shipped("hotel_checkin").policy_id
    from govid.ledger import receipts

    assert receipts.read(engine.ledger.signer.verifier, decided.receipt).policy == decided.policy
    (row,) = engine.ledger.rows(AuditFilter(request_id=decided.request_id)).rows
    assert row.record.policy == decided.policy


def test_liveness_that_nobody_can_check_never_passes(engine: Engine) -> None:
    for ask in (
        lambda: engine.verify("obama", OBAMA_LATER, use_case="alive"),
        lambda: engine.compare(OBAMA, OBAMA_LATER, use_case="remote_certification"),
        lambda: engine.identify(OBAMA_LATER, use_case="portal_login"),
    ):
        with pytest.raises(LivenessUnavailable):
            ask()


@pytest.mark.parametrize(
    ("use_case", "outcome", "kept"),
    [
        ("portal_login", "liveness-unavailable", "portal_login"),
        ("id_document_appointment", "profile-unavailable", "id_document_appointment"),
        ("no-such-thing", "unknown-use-case", None),
    ],
)
def test_what_asks_for_a_use_case_that_cannot_be_used_is_audited(
    engine: Engine, use_case: str, outcome: str, kept: str | None
) -> None:
    for operation, ask in (
        ("verify", lambda: engine.verify("obama", OBAMA, use_case=use_case, request_id="verify-1")),
        ("compare", lambda: engine.compare(OBAMA, OBAMA, use_case=use_case, request_id="compare-1")),
        ("identify", lambda: engine.identify(OBAMA, use_case=use_case, request_id="identify-1")),
    ):
        with pytest.raises((LivenessUnavailable, ProfileUnavailable, UnknownUseCase)):
            ask()
        asked = AuditFilter(request_id=f"{operation}-1", outcome=outcome)
        (row,) = engine.ledger.rows(asked).rows
        assert (row.record.operation, row.record.use_case) == (operation, kept)
        assert row.record.subject_id == ("obama" if operation == "verify" else None)


def test_a_purpose_may_ask_for_a_better_photo(engine: Engine) -> None:
    soft = opened(OBAMA_LATER).resize((90, 120)).resize((360, 480))
    assert engine.verify("obama", encoded(soft)).decision is not None
    with pytest.raises(LowQuality, match="sharp asks for 100"):
        engine.verify("obama", encoded(soft), use_case="sharp")


def test_a_purpose_may_ask_for_one_face_alone(engine: Engine) -> None:
    import PIL.Image

    together = PIL.Image.new("RGB", (1000, 700), (120, 120, 120))
    together.paste(opened(OBAMA_LATER).resize((480, 600)), (20, 50))
    together.paste(opened(BIDEN).resize((160, 200)), (700, 300))
    photo = encoded(together)
    assert engine.verify("obama", photo).decision is Decision.MATCH
    with pytest.raises(MultipleFaces):
        engine.verify("obama", photo, use_case="alone")


def test_a_purpose_may_ask_for_a_photo(engine: Engine) -> None:
    made = engine.embed(OBAMA_LATER)
    import numpy as np

    template = Template(made.model_id, np.frombuffer(made.embedding, dtype="<f4"))
    assert engine.verify("obama", template).decision is Decision.MATCH
    with pytest.raises(TemplateNotAccepted):
        engine.verify("obama", template, use_case="photo_only")
    with pytest.raises(TemplateNotAccepted):
        engine.identify(template, use_case="photo_only")


def test_an_old_reference_is_left_out(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine.verify("obama", OBAMA_LATER, use_case="recent").comparisons == 1
    import time

    now = time.time()
    monkeypatch.setattr("govid.pipeline.time.time", lambda: now + 31 * 86400)
    with pytest.raises(ReferenceTooOld):
        engine.verify("obama", OBAMA_LATER, use_case="recent")
    assert engine.identify(OBAMA_LATER, use_case="recent").candidates == ()
    assert engine.identify(OBAMA_LATER).candidates[0].subject_id == "obama"
    engine.add_reference("obama", SAMPLES / "obama-2009.jpg")
    assert engine.identify(OBAMA_LATER, use_case="recent").candidates[0].subject_id == "obama"
    assert engine.verify("obama", OBAMA_LATER, use_case="recent").comparisons == 1
    assert engine.verify("obama", OBAMA_LATER).comparisons == 2


def test_each_use_case_says_whether_this_installation_serves_it(engine: Engine) -> None:
    about = {purpose.purpose.name: purpose for purpose in engine.purposes()}
    assert about["general"].threshold == pytest.approx(engine.calibration.threshold(1e-4))
    assert "high_assurance" in str(about["id_document_appointment"].obstacle)
    assert "passive" in str(about["portal_login"].obstacle)
