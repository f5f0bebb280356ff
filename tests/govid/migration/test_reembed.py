"""Templates of a new model from kept photos, in every record store, whatever stops the work."""

from __future__ import annotations

import threading

import msgspec
import pytest

from govid.errors import FaceNotDetected, MigrationRefused, NoMigration, PhotoNotKept
from govid.migration.reembed import Reembedder
from govid.store import migration, shadow
from govid.store.database import Connection
from govid.store.records import SqlStore
from govid.types import Template
from tests.govid.migration.support import NEW, OLD, begin, enrol, enter, face, kept, shadow_add, shadows
from tests.govid.store.support import AUDIT, OpenStore, undecided


def embed(photo: bytes) -> Template:
    if photo == b"nobody":
        raise FaceNotDetected
    return face(int(photo))


def worker(store: SqlStore, made: list[bytes] | None = None, **options: object) -> Reembedder:
    def photo_of(connection: Connection, reference_id: int) -> bytes | None:
        try:
            return store.photos.of_reference(connection, reference_id).photo.data
        except PhotoNotKept:
            return None

    def noted(photo: bytes) -> Template:
        if made is not None:
            made.append(photo)
        return embed(photo)

    return Reembedder(store, ["n"], **{"embed": noted, "photo_of": photo_of, **options})  # type: ignore[arg-type]


def state(store: SqlStore) -> str:
    with store.database.reading() as connection:
        return migration.required(connection).state


def test_every_reference_gets_a_template_or_a_reason(store: SqlStore) -> None:
    ids = [enrol(store, f"s{n}", n, photo=str(n).encode()) for n in range(20)]
    nobody, without = enrol(store, "nobody", photo=b"nobody"), enrol(store, "without")
    begin(store)
    done = worker(store, threads=3).run("r-1")
    assert msgspec.structs.asdict(done) == {"templates": 20, "without_photo": 1, "refused": 1}
    assert shadows(store) == ids
    assert state(store) == "shadowing"
    with store.database.reading() as connection:
        reasons = dict(connection.rows("SELECT reference_id, reason FROM shadow_obstacle"))
        (record,) = connection.row("SELECT record FROM audit WHERE request_id = 'r-1'") or ()
    assert reasons == {nobody: "face-not-detected", without: "no-photo"}
    assert '"outcome":"EMBEDDED"' in record
    enter(store, "cut_over", "target")
    assert [store.templates(f"s{n}")[0].embedding.tolist() for n in range(20)] == [
        face(n).embedding.tolist() for n in range(20)
    ]


def test_a_run_that_was_stopped_goes_on_where_it_was(store: SqlStore) -> None:
    ids = [enrol(store, f"s{n}", n, photo=str(n).encode()) for n in range(30)]
    begin(store)

    def killed(photo: bytes) -> Template:
        if photo == b"19":
            raise KeyboardInterrupt
        return embed(photo)

    with pytest.raises(KeyboardInterrupt):
        worker(store, embed=killed).run("r-1")
    before = len(shadows(store))
    assert 0 < before < 20
    assert state(store) == "embedding"
    made: list[bytes] = []
    worker(store, made).run("r-2")
    assert shadows(store) == ids
    assert len(made) == 30 - before
    assert state(store) == "shadowing"


def test_several_workers_share_the_work(store: SqlStore, open_store: OpenStore) -> None:
    ids = [enrol(store, f"s{n}", n, photo=str(n).encode()) for n in range(60)]
    begin(store)
    made: list[list[bytes]] = [[], []]
    barrier = threading.Barrier(2)

    def run(n: int, opened: SqlStore) -> None:
        barrier.wait(timeout=30)
        worker(opened, made[n]).run(f"r-{n}")

    threads = [threading.Thread(target=run, args=(n, open_store())) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shadows(store) == ids
    # Both may have looked after the last claims of the other.
    assert {*made[0], *made[1]} == {str(n).encode() for n in range(60)}
    assert len(made[0]) + len(made[1]) <= 60 + 8


def test_a_subject_deleted_while_its_photo_is_embedded_leaves_nothing(store: SqlStore) -> None:
    enrol(store, "stays", 1, photo=b"1")
    goes = enrol(store, "goes", 2, photo=b"2")
    begin(store)

    def deleting(photo: bytes) -> Template:
        if photo == b"2":
            store.delete_subject("goes", AUDIT, None, lambda _: b"")
        return embed(photo)

    done = worker(store, embed=deleting).run("r-1")
    assert done.templates == 1
    assert goes not in shadows(store)


def test_late_templates_count_at_once_and_are_news(store: SqlStore) -> None:
    reference = enrol(store, "a", 1, photo=b"1")
    begin(store)
    enter(store, "cut_over", "target")
    last = store.changes(after=0, limit=10)[-1].sequence
    worker(store).run("r-1")
    (change,) = store.changes(after=last, limit=10)
    assert change.template
    assert (change.reference_id, change.template.model_id) == (reference, "n")
    assert state(store) == "cut_over"


def test_nothing_is_made_without_a_migration_or_at_its_end(store: SqlStore) -> None:
    with pytest.raises(NoMigration):
        worker(store).run("r-1")
    begin(store)
    enter(store, "finishing")
    with pytest.raises(MigrationRefused):
        worker(store).run("r-1")


def test_what_another_worker_made_first_is_counted_once(store: SqlStore) -> None:
    one, other = enrol(store, "one", 1, photo=b"1"), enrol(store, "other", 2, photo=b"nobody")
    begin(store)

    def beaten(photo: bytes) -> Template:
        shadow_add(store, {b"1": one, b"nobody": other}[photo], 1)
        return embed(photo)

    assert worker(store, embed=beaten).run("r-1").templates == 0
    with store.database.reading() as connection:
        assert shadow.coverage(connection, ["n"]) == shadow.Coverage(2, 2, {})


def test_a_template_ends_the_reason_why_there_is_none(store: SqlStore) -> None:
    without = enrol(store, "without")
    begin(store)
    worker(store).run("r-1")
    shadow_add(store, without)
    with store.database.reading() as connection:
        assert shadow.coverage(connection, ["n"]) == shadow.Coverage(1, 1, {})


def test_a_worker_of_an_earlier_migration_gives_the_next_none_of_its_templates(store: SqlStore) -> None:
    enrol(store, "a", 1, photo=b"1")
    begin(store)

    def overtaken(photo: bytes) -> Template:
        enter(store, "finished")
        with store.database.writing() as connection:
            migration.start(connection, OLD, NEW._replace(model_id="o"))
        return embed(photo)

    with pytest.raises(MigrationRefused, match="another"):
        worker(store, embed=overtaken).run("r-1")
    assert shadows(store) == []


def test_what_has_a_template_is_not_made_again(store: SqlStore) -> None:
    done = enrol(store, "done", 1, photo=b"1")
    undecided(store)
    fits = enrol(store, "fits", 2, photo=b"2", template=face(2))
    begin(store)
    shadow_add(store, done, 1)
    made: list[bytes] = []
    worker(store, made).run("r-1")
    assert made == []
    assert kept(store)[fits] == "n"
