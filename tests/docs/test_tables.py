"""The tables in docs/ say what the code does."""

from __future__ import annotations

from scripts import tables


def test_what_is_generated_is_up_to_date() -> None:
    """If this fails: `make tables`."""
    assert tables.stale() == []


def test_every_address_of_the_document_is_there() -> None:
    text = tables.addresses()
    for route in (
        "GET /v1/complaints`",
        "GET /v1/cases/{case_id}/photos/{reference_id}`",
        "GET /v1/gallery`",
    ):
        assert route in text


def test_no_table_names_what_callers_never_meet() -> None:
    text = tables.problems()
    assert "`face-not-detected` | 422" in text
    for slug in ("backup-broken", "key-name-taken", "unknown-key", "photo-unreadable"):
        assert slug not in text
