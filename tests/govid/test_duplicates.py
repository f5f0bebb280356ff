"""The enrolment gate: who looks like somebody enrolled is reported, held or refused, also in a race."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest

from govid import Engine, Settings, policy
from govid.adjudication import Adjudication, Verdict
from govid.duplicates import DuplicateCheck
from govid.errors import DuplicateFace, SubjectHeld
from govid.results import Enrolment
from govid.store import Gate
from govid.types import Decision, Template
from tests.support import OBAMA, OBAMA_LATER

RNG = np.random.default_rng(9)


@pytest.fixture
def engine(settings: Settings, request: pytest.FixtureRequest) -> Iterator[Engine]:
    # Whether a reference is like its subject is not what is asked here.
    settings = msgspec.structs.replace(
        settings, on_duplicate=getattr(request, "param", "hold"), on_unlike="report"
    )
    with Engine(settings) as engine:
        yield engine


def person(engine: Engine) -> np.ndarray:
    return RNG.normal(size=engine.dimension - 1)


def photographed(engine: Engine, face: np.ndarray, *, noise: float = 0.1) -> Template:
    """A template as a photo of this face could give it; more noise is less alike."""
    seen = face / np.linalg.norm(face) + RNG.normal(size=len(face)) * noise / np.sqrt(len(face))
    # The constant that counts the norm has a bound (profiles.Profile.check).
    embedding = np.append(seen / np.linalg.norm(seen), 0.2).astype(np.float32)
    return Template(engine.model_id, embedding / np.linalg.norm(embedding))


def inconclusive(engine: Engine, face: np.ndarray) -> Template:
    """A template of which a search for duplicates is unsure."""
    probe = photographed(engine, face, noise=0)
    for noise in np.linspace(0.3, 4, 400):
        made = photographed(engine, face, noise=noise)
        judged = policy.decide_search(
            float(probe.embedding @ made.embedding), 1, policy.ENROLMENT, engine.calibration
        )
        if judged.decision is Decision.INCONCLUSIVE:
            return made
    raise AssertionError("no noise made it inconclusive")


def audited(engine: Engine) -> dict[str, object]:
    with sqlite3.connect(engine.settings.database) as records:
        (record,) = records.execute("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1").fetchone()
    return json.loads(record)


@pytest.mark.parametrize("engine", ["report"], indirect=True)
def test_a_report_names_the_duplicate_and_enrols(engine: Engine) -> None:
    engine.enrol("first", OBAMA)
    second = engine.enrol("second", OBAMA_LATER)
    assert not second.held
    assert [candidate.subject_id for candidate in second.possible_duplicates] == ["first"]
    assert len(engine.gallery) == 2


@pytest.mark.parametrize("whole", [False, True])
def test_whose_best_reference_is_deleted_during_the_check_is_looked_for_anew(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, whole: bool
) -> None:
    """The search keeps one reference of each; the others of the subject must not go with it."""
    face = person(engine)
    best = photographed(engine, face, noise=0)
    first = engine.enrol("first", best).reference_id
    engine.add_reference("first", photographed(engine, face))
    searched = DuplicateCheck.gate
    checks = []

    def deleted_after_the_search(self: DuplicateCheck, *, can_hold: bool) -> Gate:
        checks.append([candidate.subject_id for candidate in self.candidates])
        if len(checks) == 1:
            engine.delete("first") if whole else engine.delete_reference("first", first)
        return searched(self, can_hold=can_hold)

    monkeypatch.setattr(DuplicateCheck, "gate", deleted_after_the_search)
    second = engine.enrol("second", best)
    assert checks == [["first"], [] if whole else ["first"]]
    assert second.held == (not whole)
    assert [one.subject_id for one in second.possible_duplicates] == ([] if whole else ["first"])
    assert audited(engine)["outcome"] == ("ENROLLED" if whole else "HELD")


def test_a_held_subject_is_found_by_nothing(engine: Engine) -> None:
    face = person(engine)
    engine.enrol("first", photographed(engine, face))
    held = engine.enrol("second", photographed(engine, face), groups=["staff"])
    assert held.held
    assert held.case_id is not None
    assert audited(engine)["outcome"] == "HELD"
    assert audited(engine)["candidates"] == ["first"]
    assert engine.subject("second").held
    found = engine.identify(photographed(engine, face), max_candidates=10)
    assert [candidate.subject_id for candidate in found.candidates] == ["first"]
    assert engine.identify(photographed(engine, face), groups=["staff"]).gallery_size == 0
    with pytest.raises(SubjectHeld):
        engine.verify("second", photographed(engine, face))
    with pytest.raises(SubjectHeld):
        engine.add_reference("second", photographed(engine, person(engine)))
    engine.delete("second")
    with Engine(engine.settings) as again:
        assert len(again.gallery) == 1


def test_a_held_subject_stays_out_of_a_gallery_that_is_filled_anew(engine: Engine) -> None:
    face = person(engine)
    engine.enrol("first", photographed(engine, face))
    assert engine.enrol("second", photographed(engine, face)).held
    with Engine(engine.settings) as again:
        assert len(again.gallery) == 1


def test_a_stranger_is_enrolled_whatever_the_setting(engine: Engine) -> None:
    for number in range(20):
        assert not engine.enrol(f"{number}", photographed(engine, person(engine))).held


def test_a_kept_reply_of_a_held_subject_says_so_again(engine: Engine) -> None:
    face = person(engine)
    engine.enrol("first", photographed(engine, face))
    template = photographed(engine, face)
    once = engine.enrol("second", template, idempotency_key="k")
    again = engine.enrol("second", template, idempotency_key="k")
    assert (again.held, again.case_id) == (True, once.case_id)
    assert again.possible_duplicates == once.possible_duplicates


@pytest.mark.parametrize("engine", ["reject"], indirect=True)
def test_a_sure_duplicate_is_refused_and_an_unsure_one_held(engine: Engine) -> None:
    face = person(engine)
    engine.enrol("first", photographed(engine, face, noise=0))
    with pytest.raises(DuplicateFace):
        engine.enrol("second", photographed(engine, face))
    assert audited(engine)["outcome"] == "duplicate-face"
    assert audited(engine)["candidates"] == ["first"]
    assert engine.store.counts().subjects == 1
    assert engine.enrol("third", inconclusive(engine, face)).held


@pytest.mark.parametrize("engine", ["hold", "reject"], indirect=True)
def test_an_added_portrait_of_somebody_else_is_refused(engine: Engine) -> None:
    one, two = person(engine), person(engine)
    engine.enrol("one", photographed(engine, one))
    engine.enrol("two", photographed(engine, two))
    with pytest.raises(DuplicateFace):
        engine.add_reference("two", photographed(engine, one))
    assert engine.add_reference("two", photographed(engine, two)).possible_duplicates == ()


def test_what_a_person_has_decided_is_no_news(engine: Engine) -> None:
    twins = person(engine)
    engine.enrol("castor", photographed(engine, twins))
    held = engine.enrol("pollux", photographed(engine, twins))
    assert held.case_id is not None
    queue = Adjudication(engine.store.database)
    queue.decide(held.case_id, Verdict.TWINS, adjudicator="eve", request_id="r")
    found = engine.identify(photographed(engine, twins))
    assert {candidate.subject_id for candidate in found.candidates} == {"castor", "pollux"}
    assert engine.add_reference("pollux", photographed(engine, twins)).possible_duplicates == ()
    # Somebody new under the old name is somebody else.
    engine.delete("pollux")
    assert engine.enrol("pollux", photographed(engine, twins)).held


@pytest.mark.parametrize("round_number", range(5))
def test_of_simultaneous_enrolments_of_one_face_one_becomes_active(engine: Engine, round_number: int) -> None:
    face = person(engine)
    templates = [photographed(engine, face) for _ in range(6)]
    results: list[Enrolment] = []
    start = threading.Barrier(len(templates))

    def enrol(number: int, template: Template) -> None:
        start.wait()
        results.append(engine.enrol(f"{round_number}-{number}", template))

    threads = [threading.Thread(target=enrol, args=pair) for pair in enumerate(templates)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.held for result in results) == [False] + [True] * 5
    assert len(engine.gallery) == 1
