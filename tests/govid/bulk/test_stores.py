"""What an import asks of a store, on each of them."""

from __future__ import annotations

import dataclasses
import io
import threading
import time
from pathlib import Path

from govid.bulk.exporter import export
from govid.bulk.journal import Journal
from govid.errors import SubjectExists
from govid.ledger.chain import GENESIS, link
from govid.store.audit import AuditLog
from govid.store.records import SqlStore
from govid.types import Sample
from tests.govid.bulk.support import PROFILE, embed, importer, line, manifest
from tests.govid.store.support import AUDIT, OpenStore, new, reply
from tests.support import b64

PEOPLE = [
    line(f"s{n % 70}", n, add=n >= 70, groups=[f"g{n % 3}", "all"], created_at=float(n)) for n in range(100)
]


def imported(store: SqlStore, folder: Path, name: str = "results") -> list[int]:
    """How many were enrolled and how many were there."""
    source = manifest(PEOPLE)
    with Journal(folder / name, source.name) as journal:
        summary = importer(store).run(source, journal)
    return [summary.enrolled, summary.already_enrolled]


def test_an_import_is_stored_once_and_comes_out_again(store: SqlStore, tmp_path: Path) -> None:
    assert imported(store, tmp_path) == [100, 0]
    assert imported(store, tmp_path, "lost") == [0, 100]
    assert store.counts().references == 100
    out = io.BytesIO()
    assert export(store, out).subjects == 70
    assert len(out.getvalue().splitlines()) == 100
    assert store.subject("s1").groups == ("all", "g1", "g2")
    changes = store.changes(after=0, limit=1000)
    assert [change.reference_id for change in changes] == sorted({c.reference_id for c in changes})


def test_a_time_of_minus_zero_seals_what_can_be_opened_again(store: SqlStore, tmp_path: Path) -> None:
    source = manifest([line("s", 1, created_at=-0.0)])
    with Journal(tmp_path / "results", source.name) as journal:
        importer(store).run(source, journal)
    assert len(store.templates("s")) == 1


def test_the_audit_of_an_import_is_one_chain(store: SqlStore, tmp_path: Path) -> None:
    store.append_audit(AUDIT)
    imported(store, tmp_path)
    digest = GENESIS
    links = list(AuditLog(store.database).links())
    assert len(links) == 101
    for one in links:
        digest = link(digest, one.record)
        assert one.digest == digest


def test_imports_and_enrolments_at_once_lose_and_double_nothing(
    store: SqlStore, open_store: OpenStore, tmp_path: Path
) -> None:
    second, third = open_store(), open_store()
    found: list[list[int]] = []
    refused: list[int] = []

    def enrol() -> None:
        for number in range(70):
            try:
                third.add_subject(new(f"s{number}", number, PROFILE.model_id), AUDIT, None, reply)
            except SubjectExists:
                refused.append(number)

    threads = [
        threading.Thread(target=lambda: found.append(imported(store, tmp_path, "a"))),
        threading.Thread(target=lambda: found.append(imported(second, tmp_path, "b"))),
        threading.Thread(target=enrol),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert len(found) == 2
    enrolled = sum(one[0] for one in found)
    assert store.counts().references == enrolled + 70 - len(refused)
    assert store.counts().subjects == 70


def test_photos_are_kept_where_the_policy_says_so(store: SqlStore, tmp_path: Path) -> None:
    def cut(photo: bytes) -> Sample:
        return dataclasses.replace(embed(photo), region=b"region of " + photo)

    lines = [
        {"subject_id": "a", "photo": b64(b"photo of a")},
        line("b", 1),
        {"subject_id": "c", "photo": b64(b"no photo")},
        {"subject_id": "a", "photo": b64(b"another of a"), "add": True},
        {"subject_id": "a", "photo": b64(b"photo of a"), "add": True},  # kept already
    ]
    before = time.time()
    with Journal(tmp_path / "results", "people.ndjson") as journal:
        importer(store, embed=cut, keep_photos_days=2.0).run(manifest(lines), journal)
    first, second = store.photos.page()
    assert [first.photo.data, second.photo.data] == [b"region of photo of a", b"region of another of a"]
    assert [first.subject_id, second.subject_id] == ["a", "a"]
    assert 2 * 86400 <= first.photo.kept_until - before < 2 * 86400 + 60
