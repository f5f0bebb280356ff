from __future__ import annotations

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import numpy as np
import pytest

from govid.audit import AuditRecord
from govid.gallery.choose import Rules
from govid.gallery.follower import GalleryFollower
from govid.gallery.tiered import TieredGallery
from govid.store import Gate, NewReference, Stored, Suspicion
from govid.store.sqlite import SqliteStore
from govid.types import Template
from tests.govid.store.support import OpenStore, undecided
from tests.support import wait_until

AUDIT = AuditRecord(time=0, request_id="r", operation="enrol", outcome="ENROLLED")
RNG = np.random.default_rng(4)


def of_model_m(made: Template) -> Template | None:
    return made if made.model_id == "m" else None


def gallery_of(folder: Path) -> TieredGallery:
    return TieredGallery(16, "m", Rules(None, 1 << 30, 0.98, lambda _: 0.5), folder, segment_rows=64)


def enrolled(store: SqliteStore, *subjects: str) -> None:
    for subject in subjects:
        audit = msgspec.structs.replace(AUDIT, subject_id=subject)
        store.add_subject(NewReference(subject, template(), (), 0.0), audit, None, lambda *_: b"")


def template() -> Template:
    vector = RNG.normal(size=16).astype(np.float32)
    return Template("m", vector / np.linalg.norm(vector))


def test_galleries_of_all_followers_end_as_the_store_stands(open_store: OpenStore, tmp_path: Path) -> None:
    writing = open_store()
    for number in range(50):
        writing.add_subject(NewReference(f"old-{number}", template(), (), 0.0), AUDIT, None, lambda *_: b"")
    done = threading.Event()

    def write(worker: int) -> None:
        for number in range(60):
            subject = f"{worker}-{number}"
            writing.add_subject(NewReference(subject, template(), (), 0.0), AUDIT, None, lambda *_: b"")
            if number % 3 == 0:
                writing.delete_subject(subject, AUDIT, None, lambda _: b"")

    def follow(results: list[set[int]]) -> None:
        store, gallery = open_store(), gallery_of(tmp_path)
        follower = GalleryFollower(gallery, store, of_model_m)  # loads while others write
        while not done.is_set():
            follower.catch_up()
        follower.catch_up()
        results.append({hit.reference_id for hit in gallery.search(template().embedding[None], 10_000)[0]})

    results: list[set[int]] = []
    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(3)]
    followers = [threading.Thread(target=follow, args=(results,)) for _ in range(3)]
    for thread in (*writers, *followers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in followers:
        thread.join()
    stored = {
        reference.reference_id
        for subject_id in writing.subjects(after="", limit=1000)
        for reference in writing.references(subject_id)
    }
    assert results == [stored] * 3
    assert len(stored) == 50 + 3 * 40


def test_a_reference_of_another_model_stays_out(tmp_path: Path) -> None:
    store, gallery = SqliteStore(tmp_path / "govid.sqlite3"), gallery_of(tmp_path)
    follower = GalleryFollower(gallery, store, of_model_m)
    other = Template("n", template().embedding)
    written = store.add_subject(NewReference("a", other, (), 0.0), AUDIT, None, lambda *_: b"")
    assert isinstance(written, Stored)
    follower.catch_up()
    assert len(gallery) == 0
    assert GalleryFollower(gallery, store, of_model_m).left_out == 1
    store.close()


def test_a_snapshot_starts_the_gallery_and_the_store_brings_it_forward(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, *(f"old-{i}" for i in range(200)))
    first = GalleryFollower(
        gallery_of(tmp_path), store, of_model_m, tmp_path / "kept", snapshot_references=100
    )
    first.close()
    enrolled(store, "new")
    store.delete_subject("old-7", AUDIT, None, lambda _: b"")

    gallery = gallery_of(tmp_path)
    asked: list[str] = []
    following = SqliteStore(tmp_path / "govid.sqlite3")
    fit = lambda made: asked.append("") or of_model_m(made)  # noqa: E731
    GalleryFollower(gallery, following, fit, tmp_path / "kept", snapshot_references=100)
    assert gallery.stats().snapshot_sequence == 200
    assert len(asked) == 1  # the new one; the old ones came from the snapshot
    assert len(gallery) == 200
    wanted = {
        reference.reference_id
        for subject in store.subjects(after="", limit=1000)
        for reference in store.references(subject)
    }
    assert {hit.reference_id for hit in gallery.search(template().embedding[None], 1000)[0]} == wanted


@pytest.mark.parametrize(("least", "left"), [(1, 1), (20, 0)], ids=["large", "small by now"])
def test_a_removed_face_does_not_outlast_the_server(least: int, left: int, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, *(f"s-{i}" for i in range(20)))
    kept = tmp_path / "kept"
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=least).close()
    (face,) = store.templates("s-7")
    (vectors,) = kept.rglob("vectors")
    assert face.embedding.tobytes() in vectors.read_bytes()
    follower = GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=least)
    store.delete_subject("s-7", AUDIT, None, lambda _: b"")
    follower.catch_up()
    follower.close()
    snapshots = list(kept.rglob("vectors"))
    assert len(snapshots) == left
    assert all(face.embedding.tobytes() not in vectors.read_bytes() for vectors in snapshots)


@pytest.mark.parametrize("small", [False, True], ids=["written anew", "too small by now"])
def test_a_removed_face_leaves_the_disk_while_the_server_runs(
    small: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("govid.gallery.follower.FORGET_SECONDS", 0.05)
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, *(f"s-{i}" for i in range(20)))
    kept = tmp_path / "kept"
    follower = GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=1)
    assert follower._writer is not None
    follower._writer.join()
    (face,) = store.templates("s-7")
    follower._snapshot_references = 20 if small else 1
    store.delete_subject("s-7", AUDIT, None, lambda _: b"")
    follower.catch_up()
    wait_until(lambda: all(face.embedding.tobytes() not in _content(one) for one in kept.rglob("vectors")))
    wait_until(lambda: len(list(kept.rglob("vectors"))) == (0 if small else 1))
    follower.close()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""  # it has just been replaced


def test_a_removed_face_goes_though_no_snapshot_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, "a", "b")
    kept = tmp_path / "kept"
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=1).close()
    store.delete_subject("a", AUDIT, None, lambda _: b"")
    follower = GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=1)
    monkeypatch.setattr("govid.gallery.snapshot.write", full)
    follower.close()
    assert list(kept.rglob("vectors")) == []


def test_the_held_are_not_taken_for_those_of_another_model(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, "a", "b")
    kept = tmp_path / "kept"
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, kept, snapshot_references=1).close()
    gate = Gate(seen=2, judge=lambda _: [Suspicion("a", 1, 0.9)])
    store.add_subject(NewReference("held", template(), (), 0.0), AUDIT, None, lambda *_: b"", gate=gate)
    other = Template("n", template().embedding)
    undecided(store)
    store.add_subject(NewReference("other", other, (), 0.0), AUDIT, None, lambda *_: b"")
    gallery = gallery_of(tmp_path)
    follower = GalleryFollower(gallery, store, of_model_m, kept, snapshot_references=1)
    assert gallery.stats().snapshot_sequence == 2
    assert follower.left_out == 1


def restored(store: SqliteStore, backup: Path) -> SqliteStore:
    """The same file as it was at the backup."""
    path = backup.with_name("govid.sqlite3")
    store.close()
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.copy(backup, path)
    return SqliteStore(path)


def backed_up(store: SqliteStore, folder: Path) -> Path:
    backup = folder / "backup.sqlite3"
    with closing(sqlite3.connect(folder / "govid.sqlite3")) as live, closing(sqlite3.connect(backup)) as copy:
        live.backup(copy)
    return backup


def found(gallery: TieredGallery, store: SqliteStore) -> dict[str, str]:
    """For each subject whom a search for its face finds."""
    best = {}
    for subject in store.subjects(after="", limit=1000):
        (made,) = store.templates(subject)
        ((hit,),) = gallery.search(made.embedding[None], 1)
        best[subject] = store.owners([hit.reference_id]).get(hit.reference_id, "nobody")
    return best


@pytest.mark.parametrize("stopped", ["before the backup is back", "when the backup is back"])
def test_a_restored_store_is_not_served_the_faces_of_its_lost_time(stopped: str, tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, *(f"old-{i}" for i in range(90)))
    backup = backed_up(store, tmp_path)
    enrolled(store, *(f"lost-{i}" for i in range(10)))
    first = GalleryFollower(gallery_of(tmp_path), store, of_model_m, tmp_path / "kept", snapshot_references=1)
    assert first._writer is not None
    first._writer.join()
    if stopped == "before the backup is back":
        first.close()
    store = restored(store, backup)
    enrolled(store, *(f"other-{i}" for i in range(20)))
    if stopped == "when the backup is back":
        first._store = store
        first.catch_up()
        first._kept = None
        first.close()
    gallery = gallery_of(tmp_path)
    GalleryFollower(gallery, store, of_model_m, tmp_path / "kept", snapshot_references=1000)
    assert len(gallery) == 110
    assert found(gallery, store) == {subject: subject for subject in store.subjects(after="", limit=1000)}
    assert list((tmp_path / "kept").rglob("vectors")) == []
    store.close()


def test_a_small_gallery_keeps_no_snapshot(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, "a", "b")
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, tmp_path / "kept").close()
    assert not (tmp_path / "kept").exists()


def test_another_store_finds_no_snapshot_of_the_first(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "one.sqlite3")
    enrolled(store, *(f"one-{i}" for i in range(20)))
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, tmp_path / "kept", snapshot_references=1).close()
    other = SqliteStore(tmp_path / "other.sqlite3")
    enrolled(other, *(f"other-{i}" for i in range(30)))
    gallery = gallery_of(tmp_path)
    GalleryFollower(gallery, other, of_model_m, tmp_path / "kept", snapshot_references=100)
    assert gallery.stats().snapshot_sequence is None
    assert len(gallery) == 30


def test_a_damaged_snapshot_is_replaced_from_the_store(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, *(f"s-{i}" for i in range(20)))
    GalleryFollower(gallery_of(tmp_path), store, of_model_m, tmp_path / "kept", snapshot_references=1).close()
    (vectors,) = (tmp_path / "kept").rglob("vectors")
    vectors.write_bytes(vectors.read_bytes()[:-1])
    gallery = gallery_of(tmp_path)
    GalleryFollower(gallery, store, of_model_m, tmp_path / "kept", snapshot_references=1).close()
    assert len(gallery) == 20
    assert gallery_of(tmp_path).load(tmp_path / "kept" / store.identity, store.has_audit) == 20


def test_a_full_disk_costs_the_snapshot_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("govid.gallery.snapshot.write", full)
    store = SqliteStore(tmp_path / "govid.sqlite3")
    enrolled(store, "a")
    follower = GalleryFollower(
        gallery_of(tmp_path), store, of_model_m, tmp_path / "kept", snapshot_references=1
    )
    enrolled(store, "b")
    assert follower.catch_up() == 2
    follower.close()
