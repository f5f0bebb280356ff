"""What is changed of a subject is seen by the next search, whatever the gallery."""

from __future__ import annotations

import msgspec
import pytest

from govid import Engine, Settings
from govid.errors import InvalidGroup, LastReference, UnknownReference, UnknownSubject
from govid.ledger import erasures
from govid.results import Identification
from govid.store.audit import AuditFilter
from tests.support import BIDEN, OBAMA, OBAMA_LATER


def names(found: Identification) -> list[str]:
    return [candidate.subject_id for candidate in found.candidates]


@pytest.mark.parametrize("tier", ["exact", "int8", "ivf", "hnsw"])
def test_the_next_search_goes_by_the_new_groups_and_references(settings: Settings, tier: str) -> None:
    settings = msgspec.structs.replace(settings, gallery=tier)
    with Engine(settings) as one, Engine(settings) as other:
        first = one.enrol("obama", OBAMA, groups=["staff"]).reference_id
        one.enrol("biden", BIDEN, groups=["staff"])
        assert names(other.identify(OBAMA_LATER, groups=["staff"])) == ["obama"]
        assert one.set_groups("obama", ["guests", "desk", "desk"]).groups == ("desk", "guests")
        for engine in (one, other):
            assert names(engine.identify(OBAMA_LATER, groups=["staff"])) == []
            assert names(engine.identify(OBAMA_LATER, groups=["desk"])) == ["obama"]
        one.add_reference("obama", OBAMA_LATER)
        assert other.identify(OBAMA).candidates[0].score == pytest.approx(1, abs=1e-5)
        one.delete_reference("obama", first)
        for engine in (one, other):
            found = engine.identify(OBAMA)
            assert (names(found), found.gallery_size) == (["obama"], 2)
            assert (found.candidates[0].score or 1) < 0.99
    with Engine(settings) as again:
        assert again.subject("obama").groups == ("desk", "guests")
        assert (again.identify(OBAMA).candidates[0].score or 1) < 0.99
        assert len(again.gallery) == 2


def test_what_is_refused_is_in_the_audit_and_changes_nothing(engine: Engine) -> None:
    only = engine.enrol("obama", OBAMA, groups=["staff"]).reference_id
    for refused, call in (
        (LastReference, lambda: engine.delete_reference("obama", only)),
        (UnknownReference, lambda: engine.delete_reference("obama", 2**63)),
        (UnknownReference, lambda: engine.delete_reference("nobody", only)),
        (UnknownSubject, lambda: engine.set_groups("nobody", ["staff"])),
        (InvalidGroup, lambda: engine.set_groups("obama", ["../staff"])),
        (InvalidGroup, lambda: engine.enrol("biden", BIDEN, groups=["../staff"])),
    ):
        with pytest.raises(refused):
            call()
        (row,) = engine.ledger.rows(AuditFilter(), limit=1).rows
        assert row.record.outcome == refused.slug
    assert engine.subject("obama").groups == ("staff",)
    assert len(engine.subject("obama").references) == 1


def test_the_receipt_of_a_reference_names_it_and_is_in_the_file_beside_the_keys(
    engine: Engine, settings: Settings
) -> None:
    first = engine.enrol("obama", OBAMA).reference_id
    engine.add_reference("obama", OBAMA_LATER)
    gone = engine.delete_reference("obama", first, idempotency_key="k")
    assert engine.delete_reference("obama", first, idempotency_key="k") == gone
    receipt = erasures.read(engine.ledger.signer.verifier, gone.receipt)
    assert (receipt.reference, receipt.references, receipt.photos) == (first, 1, 0)
    whole = erasures.read(engine.ledger.signer.verifier, engine.delete("obama").receipt)
    assert (whole.reference, whole.references, whole.data_key) == (None, 1, receipt.data_key)
    assert len(settings.erasures_file.read_text().splitlines()) == 2
