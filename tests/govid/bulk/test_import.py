from __future__ import annotations

import threading
from collections.abc import Generator
from pathlib import Path

import numpy as np
import pytest

from govid.bulk import Content, Done, Item
from govid.bulk.journal import Journal
from govid.errors import InvalidParameter, ModelMissing, StorageFull
from govid.store.sqlite import SqliteDatabase, SqliteStore
from govid.types import Sample
from tests.govid.bulk.support import (
    embed,
    embedding,
    gallery,
    importer,
    line,
    manifest,
    outcomes,
    results,
    run,
)


def test_each_item_has_its_outcome_and_one_bad_item_stops_nothing(tmp_path: Path) -> None:
    other_model = line("d")
    other_model["template"]["model_id"] = "other"
    summary = run(
        tmp_path,
        manifest(
            [
                line("a", 1, groups=["staff"]),
                line("b/..", 2),
                b"{",
                line("a", 3),  # somebody else under an id that is taken
                line("a", 1),  # the same again
                b"",
                other_model,
                line("c", 4),
            ]
        ),
    )
    assert outcomes(tmp_path) == {
        "line 1": "ENROLLED",
        "line 2": "invalid-subject-id",
        "line 3": "malformed-body",
        "line 4": "subject-exists",
        "line 5": "ALREADY_ENROLLED",
        "line 7": "template-wrong-model",
        "line 8": "ENROLLED",
    }
    assert (summary.enrolled, summary.already_enrolled, summary.refused) == (2, 1, 4)
    assert [(subject, groups) for subject, groups, _ in gallery(tmp_path)] == [("a", ("staff",)), ("c", ())]


def test_references_are_those_that_were_sent_brought_to_unit_norm(tmp_path: Path) -> None:
    run(tmp_path, manifest([line("a", 1)]))
    ((_, _, (stored,)),) = gallery(tmp_path)
    sent = np.frombuffer(embedding(1), "<f4")
    np.testing.assert_allclose(np.frombuffer(stored, "<f4"), sent / np.linalg.norm(sent), atol=1e-6)


@pytest.mark.parametrize("batch", [1, 2, 100])
def test_references_are_added_up_to_the_limit_only_where_asked(tmp_path: Path, batch: int) -> None:
    lines = [line("a", seed) for seed in range(5)]
    run(tmp_path, manifest(lines, add=True), batch_items=batch)
    assert list(outcomes(tmp_path).values()) == ["ENROLLED"] * 3 + ["too-many-references"] * 2
    assert [result.reference_id for result in results(tmp_path)] == [1, 2, 3, None, None]


def test_photos_are_embedded_in_their_order(tmp_path: Path) -> None:
    photos = [
        {"subject_id": f"s{n}", "photo": data} for n, data in enumerate(["AAAA", "bm8gcGhvdG8=", "Y3Jhc2g="])
    ]
    run(tmp_path, manifest(photos))
    assert outcomes(tmp_path) == {
        "line 1": "ENROLLED",
        "line 2": "photo-not-an-image",
        "line 3": "internal-error",
    }
    ((_, _, (stored,)),) = gallery(tmp_path)
    assert stored == embed(bytes(3)).template.embedding.tobytes()


def test_every_item_leaves_an_audit_record_and_changes_reach_a_gallery(tmp_path: Path) -> None:
    run(tmp_path, manifest([line(f"s{n}", n) for n in range(20)] + [b"{"]))
    store = SqliteStore(tmp_path / "govid.sqlite3")
    assert store.counts().audit_records == 21
    changes = store.changes(after=0, limit=100)
    assert sorted(change.reference_id for change in changes) == list(range(1, 21))
    assert [change.sequence for change in changes] == list(range(1, 21))
    store.close()


def test_a_failed_item_is_tried_again_and_a_refused_one_is_not(tmp_path: Path) -> None:
    lines = [{"subject_id": "a", "photo": "Y3Jhc2g="}, {"subject_id": "b", "photo": "bm8gcGhvdG8="}]
    run(tmp_path, manifest(lines))
    again = run(tmp_path, manifest(lines))
    assert (again.failed, again.refused, again.done_earlier) == (1, 0, 1)


def test_a_full_disk_stops_with_what_was_committed(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    assert isinstance(store.database, SqliteDatabase)
    connection = store.database.connection()
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + 20}")
    lines = [line(f"s{n}", n) for n in range(500)]
    with Journal(tmp_path / "results.ndjson", "people.ndjson") as journal, pytest.raises(StorageFull):
        importer(store).run(manifest(lines), journal)
    assert 0 < store.counts().subjects == len(results(tmp_path)) < 500
    store.close()
    committed = len(results(tmp_path))
    assert run(tmp_path, manifest(lines)).enrolled == 500 - committed


def test_an_installation_that_cannot_embed_stops_the_import(tmp_path: Path) -> None:
    def missing(_: bytes) -> Sample:
        raise ModelMissing

    store = SqliteStore(tmp_path / "govid.sqlite3")
    source = manifest([{"subject_id": "a", "photo": "AAAA"}])
    with Journal(tmp_path / "results.ndjson", source.name) as journal, pytest.raises(ModelMissing):
        importer(store, embed=missing).run(source, journal)
    store.close()
    assert results(tmp_path) == []


def test_no_more_photos_are_held_than_twice_the_threads(tmp_path: Path) -> None:
    lock = threading.Lock()
    read, embedded, most = 0, 0, 0

    class Photos:
        name = "photos"

        def items(self, done: Done) -> Generator[tuple[Item, Content], None, None]:
            nonlocal read, most
            for n in range(200):
                with lock:
                    read += 1
                    most = max(most, read - embedded)
                yield Item(key=n, source=str(n), subject_id=f"s{n}"), b"photo %d" % n

    def slow(photo: bytes) -> Sample:
        nonlocal embedded
        sample = embed(photo)
        with lock:
            embedded += 1
        return sample

    store = SqliteStore(tmp_path / "govid.sqlite3")
    with Journal(tmp_path / "results.ndjson", "photos") as journal:
        made = importer(store, embed=slow, batch_items=100, batch_photos=50)
        assert made.run(Photos(), journal).enrolled == 200
    store.close()
    # Those in flight, and the one that was read for the next free place.
    assert most <= 2 * 2 + 1


def test_a_result_file_serves_one_source_and_is_never_a_foreign_file(tmp_path: Path) -> None:
    run(tmp_path, manifest([line("a")]))
    with pytest.raises(InvalidParameter, match="holds the results of"):
        Journal(tmp_path / "results.ndjson", "others.ndjson")
    for content in (b"my diary\n", b"my diary", b'{"a":1}\n'):
        (tmp_path / "diary").write_bytes(content)
        with pytest.raises(InvalidParameter, match="not a result file"):
            Journal(tmp_path / "diary", "people.ndjson")
        assert (tmp_path / "diary").read_bytes() == content


def test_two_imports_never_share_a_result_file(tmp_path: Path) -> None:
    with (
        Journal(tmp_path / "results.ndjson", "people.ndjson"),
        pytest.raises(InvalidParameter, match="another import"),
    ):
        Journal(tmp_path / "results.ndjson", "people.ndjson")
