"""Cases of suspected duplicates, each for a person to decide."""

from __future__ import annotations

import time
from collections.abc import Sequence

from govid.store import Suspicion
from govid.store.database import Connection
from govid.types import Reference


def open_case(
    connection: Connection, origin: str, reference: Reference, suspicions: Sequence[Suspicion]
) -> int:
    """Open a case between a reference and those that look like it, inside the caller's transaction."""
    row = connection.row(
        "INSERT INTO duplicate_case (origin, created_at) VALUES (?, ?) RETURNING case_id",
        (origin, time.time()),
    )
    assert row is not None
    case_id = int(row[0])
    subjects = {reference.subject_id, *(suspicion.subject_id for suspicion in suspicions)}
    connection.execute_many(
        "INSERT INTO case_subject VALUES (?, ?)", [(case_id, subject) for subject in sorted(subjects)]
    )
    connection.execute_many(
        "INSERT INTO case_pair VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                case_id,
                suspicion.subject_id,
                reference.subject_id,
                suspicion.reference_id,
                reference.reference_id,
                suspicion.score,
            )
            for suspicion in suspicions
        ],
    )
    return case_id
