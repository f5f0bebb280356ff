from __future__ import annotations

import io
import json
import stat
from pathlib import Path

import msgspec
import pytest

from govid.audit import AuditRecord
from govid.bulk.exporter import export, export_to
from govid.bulk.manifest import Manifest
from govid.errors import InvalidParameter, StoreUnavailable
from govid.store import listing
from govid.store.sqlite import SqliteDatabase, SqliteStore
from tests.govid.bulk.support import gallery, line, manifest, run

MEASURE = {"name": "Sharpness", "raw": 1.5, "value": 40, "threshold": None}
PEOPLE = [
    line("a", 1, groups=["x", "y"], quality=[MEASURE], created_at=1234.5),
    line("b", 2),
    line("a", 3, add=True),
    line("c", 4, groups=["x"]),
]


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    (tmp_path / "filled").mkdir()
    run(tmp_path / "filled", manifest(PEOPLE))
    return tmp_path / "filled"


def exported(folder: Path) -> bytes:
    store = SqliteStore(folder / "govid.sqlite3")
    out = io.BytesIO()
    export(store, out)
    store.close()
    return out.getvalue()


def test_an_export_imported_gives_the_same_gallery_and_the_same_export(filled: Path, tmp_path: Path) -> None:
    data = exported(filled)
    other = tmp_path / "other"
    other.mkdir()
    summary = run(other, Manifest(io.BytesIO(data), "e.ndjson", folder=None, add=False, photo_max_bytes=4096))
    assert (summary.enrolled, summary.refused) == (4, 0)
    assert gallery(other) == gallery(filled)
    assert exported(other) == data


def test_an_export_has_all_there_is_to_a_reference(filled: Path) -> None:
    first, *others = map(json.loads, exported(filled).splitlines())
    assert first["groups"] == ["x", "y"]
    assert first["quality"] == [MEASURE]
    assert first["created_at"] == 1234.5
    assert [(one["subject_id"], one.get("add", False)) for one in others] == [
        ("a", True),
        ("b", False),
        ("c", False),
    ]


def test_an_export_leaves_an_audit_record_and_leaves_out_who_is_held(filled: Path) -> None:
    store = SqliteStore(filled / "govid.sqlite3")
    with store.database.writing() as connection:
        connection.execute("UPDATE subject SET held = 1 WHERE subject_id = ?", ("c",))
    out = io.BytesIO()
    found = export(store, out)
    assert (found.references, found.subjects, found.held_left_out) == (3, 2, 1)
    with store.database.reading() as connection:
        row = connection.row("SELECT record FROM audit ORDER BY audit_id DESC LIMIT 1")
    assert row is not None
    assert msgspec.json.decode(row[0], type=AuditRecord).operation == "export"
    store.close()


def test_a_file_is_for_its_owner_and_whole_or_not_there(filled: Path, tmp_path: Path) -> None:
    store = SqliteStore(filled / "govid.sqlite3")
    out = tmp_path / "out"
    out.mkdir()
    export_to(store, out / "e.ndjson")
    assert stat.S_IMODE((out / "e.ndjson").stat().st_mode) == 0o600
    with pytest.raises(InvalidParameter, match="exists"):
        export_to(store, out / "e.ndjson")
    with store.database.writing() as connection:
        connection.execute("UPDATE reference SET embedding = ? WHERE reference_id = 3", (b"\0" * 516,))
    with pytest.raises(StoreUnavailable, match="damaged"):
        export_to(store, out / "again.ndjson")
    assert [path.name for path in out.iterdir()] == ["e.ndjson"]
    store.close()


def test_an_export_shows_one_moment(filled: Path) -> None:
    store = SqliteStore(filled / "govid.sqlite3")
    assert isinstance(store.database, SqliteDatabase)
    with store.database.reading() as connection:
        listed = listing.references(connection, store.vault)
        first = next(listed)
        other = SqliteStore(filled / "govid.sqlite3")
        other.delete_subject(
            "c", AuditRecord(time=1, request_id="r", operation="delete", outcome="DELETED"), None, b""
        )
        other.close()
        assert [first.reference.subject_id, *(one.reference.subject_id for one in listed)] == [
            "a",
            "a",
            "b",
            "c",
        ]
    store.close()
