from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
from govid.gallery.flat import FlatGallery

from govid.audit import AuditRecord
from govid.gallery.follower import GalleryFollower
from govid.store import NewReference
from govid.store.sqlite import SqliteStore
from govid.types import Reference, Template

AUDIT = AuditRecord(time=0, request_id="r", operation="enrol", outcome="ENROLLED")
RNG = np.random.default_rng(4)


def of_model_m(made: Template) -> Template | None:
    return made if made.model_id == "m" else None


def template() -> Template:
    vector = RNG.normal(size=16).astype(np.float32)
    return Template("m", vector / np.linalg.norm(vector))


def test_galleries_of_all_followers_end_as_the_store_stands(tmp_path: Path) -> None:
    path = tmp_path / "govid.sqlite3"
    writing = SqliteStore(path)
    for number in range(50):
        writing.add_subject(NewReference(f"old-{number}", template(), (), 0.0), AUDIT, None, lambda _: b"")
    done = threading.Event()

    def write(worker: int) -> None:
        for number in range(60):
            subject = f"{worker}-{number}"
            writing.add_subject(NewReference(subject, template(), (), 0.0), AUDIT, None, lambda _: b"")
            if number % 3 == 0:
                writing.delete_subject(subject, AUDIT, None, b"")

    def follow(results: list[set[int]]) -> None:
        store, gallery = SqliteStore(path), FlatGallery(16)
        follower = GalleryFollower(gallery, store, of_model_m)  # loads while others write
        while not done.is_set():
            follower.catch_up()
        follower.catch_up()
        results.append({hit.reference_id for hit in gallery.search(template().embedding[None], 10_000)[0]})
        store.close()

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
        for record in writing.subjects(after="", limit=1000)
        for reference in writing.references(record.subject_id)
    }
    assert results == [stored] * 3
    assert len(stored) == 50 + 3 * 40


def test_a_reference_of_another_model_stays_out(tmp_path: Path) -> None:
    store, gallery = SqliteStore(tmp_path / "govid.sqlite3"), FlatGallery(16)
    follower = GalleryFollower(gallery, store, of_model_m)
    other = Template("n", template().embedding)
    written = store.add_subject(NewReference("a", other, (), 0.0), AUDIT, None, lambda _: b"")
    assert isinstance(written, Reference)
    follower.catch_up()
    assert len(gallery) == 0
    assert GalleryFollower(gallery, store, of_model_m).left_out == 1
    store.close()
