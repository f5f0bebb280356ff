"""Whether the photo of an enrolment is kept, and who is shown it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from govid import Engine, Settings
from govid.adjudication import Adjudication, Verdict
from govid.case_photos import case_photo
from govid.errors import CaseClosed, IdempotencyKeyReused, InvalidParameter, PhotoNotKept, UnknownCase
from govid.pipeline import Probe
from govid.store.audit import AuditFilter
from tests import support


@pytest.fixture
def engine(settings: Settings) -> Iterator[Engine]:
    """One that keeps photos for ten days, and holds duplicates."""
    with Engine(msgspec.structs.replace(settings, keep_photos_days=10, on_duplicate="hold")) as engine:
        yield engine


def days_left(engine: Engine, subject: str) -> list[float | None]:
    kept = [one.photo_kept_until for one in engine.subject(subject).references]
    return [until and round((until - time.time()) / 86400, 2) for until in kept]


def test_nothing_is_kept_unless_the_settings_say_so(settings: Settings) -> None:
    with Engine(settings) as engine:
        made = engine.enrol("alice", support.OBAMA)
        assert made.photo_kept_until is None
        assert "keep" not in made.stages
        assert engine.store.photos.page() == []
        with pytest.raises(InvalidParameter):
            engine.enrol("bob", support.BIDEN, keep_photo_days=1)


def test_a_caller_may_keep_a_photo_shorter_and_never_longer(engine: Engine) -> None:
    assert engine.enrol("alice", support.OBAMA).photo_kept_until
    assert engine.enrol("bob", support.BIDEN, keep_photo_days=0).photo_kept_until is None
    engine.add_reference("alice", support.OBAMA_LATER, keep_photo_days=2.5)
    assert days_left(engine, "alice") == [10, 2.5]
    assert days_left(engine, "bob") == [None]
    for days in (10.01, -1, float("nan"), float("inf")):
        with pytest.raises(InvalidParameter):
            engine.add_reference("bob", support.BIDEN, keep_photo_days=days)


def test_an_idempotency_key_stands_for_one_choice(engine: Engine) -> None:
    first = engine.enrol("alice", support.OBAMA, keep_photo_days=2, idempotency_key="k")
    assert engine.enrol("alice", support.OBAMA, keep_photo_days=2, idempotency_key="k") == (
        msgspec.structs.replace(first, stages={}, milliseconds=0.0)
    )
    with pytest.raises(IdempotencyKeyReused):
        engine.enrol("alice", support.OBAMA, keep_photo_days=3, idempotency_key="k")


def test_a_template_has_no_photo(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(support.OBAMA)
    portraits: dict[str, Probe] = {
        "from a path": tmp_path / "photo.jpg",
        "from a template": engine.store.templates(engine.enrol("bob", support.BIDEN).subject_id)[0],
    }
    kept = {name: engine.enrol(name, one).photo_kept_until for name, one in portraits.items()}
    assert kept["from a path"]
    assert kept["from a template"] is None


def test_the_photos_of_a_case_are_shown_while_it_is_open(engine: Engine) -> None:
    engine.enrol("bystander", support.BIDEN)
    first = engine.enrol("alice", support.OBAMA)
    second = engine.enrol("alias", support.OBAMA_LATER)
    assert second.case_id
    queue = Adjudication(engine.store.database)

    def look(reference_id: int, case_id: int = second.case_id) -> bytes:
        return case_photo(engine.store, case_id, reference_id, request_id="look").data

    assert support.opened(look(first.reference_id)).size != support.opened(look(second.reference_id)).size
    bystander = engine.subject("bystander").references[0].reference_id
    for reference_id in (bystander, 0, -5, 2**70):
        with pytest.raises(PhotoNotKept):
            look(reference_id)
    for case_id in (second.case_id + 1, 0, -1, 2**70):
        with pytest.raises(UnknownCase):
            look(first.reference_id, case_id)
    queue.decide(second.case_id, Verdict.DIFFERENT, adjudicator="ann", request_id="r")
    with pytest.raises(CaseClosed):
        look(first.reference_id)

    rows = engine.ledger.rows(AuditFilter(operation="view_photo"), limit=100).rows
    seen = [(row.record.outcome, row.record.subject_id) for row in reversed(rows)]
    assert seen == [
        ("SHOWN", "alice"),
        ("SHOWN", "alias"),
        *[("photo-not-kept", None)] * 4,
        *[("unknown-case", None)] * 4,
        ("case-closed", None),
    ]
    assert [use.operation for use in engine.ledger.uses("bystander").uses] == ["enrol"]
    assert engine.ledger.examine().intact
