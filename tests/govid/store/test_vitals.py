from __future__ import annotations

from pathlib import Path

import msgspec

from govid.ledger import checkpoints
from govid.ledger.signing import load_signer
from govid.store.audit import AuditLog
from govid.store.notifications import Outbox, enqueue
from govid.store.records import SqlStore
from govid.store.vitals import Vitals, vitals
from tests.govid.store.support import AUDIT, new, reply


def test_the_age_of_what_is_unsigned_and_unannounced(store: SqlStore, tmp_path: Path) -> None:
    assert vitals(store.database) == Vitals(0, None, 0, None)
    for time in (5.0, 6.0):
        store.append_audit(msgspec.structs.replace(AUDIT, time=time))
    assert vitals(store.database)[:2] == (2, 5.0)
    checkpoints.make(AuditLog(store.database), load_signer(tmp_path / "key.pem", create=True))
    assert vitals(store.database)[:2] == (0, None)
    store.append_audit(msgspec.structs.replace(AUDIT, time=7.0))
    assert vitals(store.database)[:2] == (1, 7.0)
    for _ in range(2):
        with store.database.writing() as connection:
            enqueue(connection, "kind", {})
    found = vitals(store.database)
    outbox = Outbox(store.database)
    first = outbox.claim(now=2e9, lease_seconds=1)
    assert first is not None
    assert found[2:] == (2, first.created_at)
    outbox.delivered(first.notification_id)
    assert vitals(store.database).notifications_waiting == 1


def test_the_newest_reference_and_change(store: SqlStore) -> None:
    assert (store.newest_reference(), store.newest_change()) == (0, 0)
    for seed, subject in enumerate("ab"):
        store.add_subject(new(subject, seed), AUDIT, None, reply)
    (last,) = store.references("b")
    assert store.newest_reference() == last.reference_id
    before = store.newest_change()
    assert before == store.changes(after=0, limit=10)[-1].sequence
    store.delete_subject("b", AUDIT, None, b"")
    assert store.newest_reference() < last.reference_id
    assert store.newest_change() > before
