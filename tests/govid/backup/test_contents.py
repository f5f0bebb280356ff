"""What lies beside the templates comes back with a backup, and does not outlive an erasure or its time."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from govid import keys
from govid.audit import AuditRecord
from govid.backup.afterwards import Afterwards, since
from govid.callers import Caller, Scope
from govid.errors import PhotoNotKept
from govid.retention import Keeper
from govid.store import migration, shadow
from govid.store.backup import Moment
from govid.store.records import SqlStore
from govid.store.sessions import Sessions
from govid.use_cases import UseCases
from tests.govid.backup.conftest import NewPlace
from tests.govid.backup.support import Place
from tests.govid.backup.test_backup import brought_back
from tests.govid.ledger.test_rotation import rotated
from tests.govid.migration import support as migrating
from tests.govid.store.support import lived

DAY = 86_400.0


def photo(store: SqlStore, reference_id: int) -> bytes | None:
    try:
        with store.database.reading() as connection:
            return store.photos.of_reference(connection, reference_id).photo.data
    except PhotoNotKept:
        return None


def rows(store: SqlStore) -> dict[str, int]:
    """How much is in each table that has nothing to do with the restoring itself."""
    names = ("photo", "shadow_template", "shadow_obstacle", "migration", "audit_subject", "audit_checkpoint")
    with store.database.reading() as connection:
        return {name: (connection.row(f"SELECT count(*) FROM {name}") or (0,))[0] for name in names}


def test_photos_and_a_migration_under_way_come_back(new_place: NewPlace, tmp_path: Path) -> None:
    place, target = new_place("var"), new_place("restored")
    store = place.store()
    alice = migrating.enrol(store, "alice", 1, photo=b"the face of alice")
    bob = migrating.enrol(store, "bob", 2, photo=b"the face of bob")
    migrating.begin(store)
    migrating.shadow_add(store, alice, 1)
    migrating.shadow_add(store, bob, 2)
    changed = {shadow.Pair("general", "MATCH", "NON_MATCH"): shadow.Sums(3, 1, 1, -5, -2)}
    with store.database.writing() as connection:
        shadow.count(connection, 1, changed)
    migrating.enter(store, "cut_over", "target")
    before = rows(store)
    store.close()
    place.backup(tmp_path / "backup")
    brought_back(place, tmp_path / "backup", target)
    store = target.store()
    assert rows(store) == before
    assert photo(store, alice) == b"the face of alice"
    np.testing.assert_array_equal(store.templates("bob")[0].embedding, migrating.face(2).embedding)
    with store.database.reading() as connection:
        now = migration.required(connection)
        counted = shadow.outcomes(connection, now.migration_id)
    assert (now.state, now.serves) == ("cut_over", "target")
    assert [sums.compared for sums in counted.values()] == [3]
    migrating.enter(store, "rolled_back", "source")
    assert store.templates("bob")[0].model_id == "m", "the way back is there, too"
    store.close()


def test_an_erasure_since_takes_photo_and_second_template_along(new_place: NewPlace, tmp_path: Path) -> None:
    place, target = new_place("var"), new_place("restored")
    store = place.store()
    alice = migrating.enrol(store, "alice", 1, photo=b"the face of alice")
    bob = migrating.enrol(store, "bob", 2, photo=b"the face of bob")
    migrating.begin(store)
    migrating.shadow_add(store, alice, 1)
    migrating.shadow_add(store, bob, 2)
    store.close()
    place.checkpoint()
    made = place.backup(tmp_path / "backup")
    place.delete("bob")
    brought_back(place, tmp_path / "backup", target, afterwards(place, made.moment))
    store = target.store()
    assert (photo(store, alice), photo(store, bob)) == (b"the face of alice", None)
    assert migrating.shadows(store) == [alice]
    store.close()


def afterwards(place: Place, moment: Moment) -> Afterwards:
    """What the audit of a place says since."""
    store = place.store()
    ledger = place.ledger(store)
    statements = [statement for _, statement in ledger.log.checkpoints()]
    try:
        return since(moment, ledger.log.links(), statements, ledger.signer.verifier)
    finally:
        store.close()


def decide(place: Place, *ages_days: float) -> None:
    """Decisions of so many days ago, and a checkpoint over them."""
    store = place.store()
    for number, age in enumerate(ages_days):
        store.append_audit(
            AuditRecord(
                time=time.time() - age * DAY,
                request_id=f"decision {number}",
                operation="verify",
                outcome="MATCH",
                use_case="hotel_checkin",
                subject_id="alice",
            )
        )
    store.close()
    place.checkpoint()


def expire(place: Place) -> int:
    """Erase what is past its time; how many decisions."""
    store = place.store()
    ledger = place.ledger(store)
    keeper = Keeper(
        store.database, place.settings, UseCases(place.folder / "use_cases"), lambda: ledger.signer
    )
    lived(store, time.time())
    erased = keeper.run().decisions["hotel_checkin"]
    store.close()
    return erased


def examined(place: Place) -> tuple[bool, int]:
    store = place.store()
    found = place.ledger(store).examine()
    store.close()
    return found.intact, found.expired


def test_an_audit_with_rows_past_their_time_comes_back_across_a_rotation(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    decide(place, 400, 400, 0)
    assert expire(place) == 2
    store = place.store()
    rotated(store, place.settings.signing_key)
    store.close()
    place.backup(tmp_path / "backup")
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target)
    assert examined(target) == (True, 2)


def test_what_was_past_its_time_since_the_backup_goes_again(
    place: Place, new_place: NewPlace, tmp_path: Path
) -> None:
    decide(place, 400, 0)
    made = place.backup(tmp_path / "backup")
    decide(place, 500)
    assert expire(place) == 2
    place.delete("bob")
    newer = afterwards(place, made.moment)
    assert [one.subject_id for one in newer.erasures] == ["bob"]
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target, newer)
    assert examined(target) == (True, 0)
    assert expire(target) == 1
    assert examined(target) == (True, 1)


def test_nobody_is_signed_in_after_a_restore(place: Place, new_place: NewPlace, tmp_path: Path) -> None:
    """The session may have been ended since the backup."""
    store = place.store()
    key = keys.make(Caller(name="operator", scopes=frozenset({Scope.AUDIT})))[1]
    word = sessions(store).begin(key, request_id="in")
    assert sessions(store).key_of(word) == key.key_id
    store.close()
    place.backup(tmp_path / "backup")
    target = new_place("restored")
    brought_back(place, tmp_path / "backup", target)
    store = target.store()
    assert sessions(store).key_of(word) is None
    store.close()


def sessions(store: SqlStore) -> Sessions:
    return Sessions(store.database, idle_seconds=1000, longest_seconds=1000)
