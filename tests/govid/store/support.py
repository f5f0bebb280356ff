"""Records as the tests of the stores write them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from govid.audit import AuditRecord
from govid.store import NewReference, Store
from govid.store.records import SqlStore
from govid.store.retention import note_run
from govid.types import QualityMeasure, Reference, Template
from govid.vault.keys import GivenKeys
from govid.vault.vault import Vault

OpenStore: TypeAlias = Callable[[], SqlStore]
"""Opens the records of a test once more, as another process would."""

VAULT = Vault(GivenKeys(base64.b64encode(bytes(range(32))).decode()))
AUDIT = AuditRecord(time=1.0, request_id="r", operation="enrol", outcome="ENROLLED")
QUALITY = (QualityMeasure(name="InterEyeDistance", raw=61.5, value=40),)


def new(subject: str, seed: int = 0, model_id: str = "m") -> NewReference:
    """A reference to write; the seed is its face."""
    vector = np.random.default_rng(seed).normal(size=8).astype(np.float32)
    return NewReference(subject, Template(model_id, vector / np.linalg.norm(vector)), QUALITY, time.time())


def undecided(store: Store) -> None:
    """As an older version left it: nothing says whose templates count, and there may be some of several."""
    with store.database.writing() as connection:
        connection.execute("DELETE FROM serving_model")


def lived(store: SqlStore, until: float) -> None:
    """As if servers had run up to that time (seconds since the epoch), and erased what was past its time."""
    with store.database.writing() as connection:
        note_run(connection, until)


def locked_out(store: SqlStore) -> int:
    """How many transactions wait for a lock that another one holds, in PostgreSQL."""
    with store.database.reading() as connection:
        rows = connection.rows(
            "SELECT pid FROM pg_locks JOIN pg_stat_activity USING (pid)"
            " WHERE NOT granted AND datname = current_database()"
        )
    return len(rows)


def reply(reference: Reference, case_id: int | None) -> bytes:
    """A reply to keep."""
    return b"reference %d, case %s" % (reference.reference_id, str(case_id).encode())
