"""Every reference with its template, one after the other, as they stood at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter

import msgspec

from govid.store.database import Connection
from govid.store.shadow import SERVING
from govid.store.templates import COLUMNS, opened
from govid.types import QualityMeasure, Reference
from govid.vault.vault import Vault


class Listed(msgspec.Struct, frozen=True):
    """A reference of an active subject, the subject's groups, and whether it was the subject's first."""

    reference: Reference
    groups: tuple[str, ...]
    is_first: bool


def references(connection: Connection, vault: Vault) -> Iterator[Listed]:
    """All references of active subjects, oldest first. One statement, so one state of the store.

    Raises:
        StoreUnavailable, SealBroken: a template is damaged.
        EncryptionKeyMissing: its key is not here.
    """
    quality = msgspec.json.Decoder(tuple[QualityMeasure, ...])
    rows = connection.stream(
        f"SELECT {COLUMNS}, quality, name, reference.reference_id ="
        "  (SELECT min(other.reference_id) FROM reference AS other"
        "   WHERE other.subject_id = reference.subject_id)"
        f" FROM {SERVING} JOIN subject ON subject.subject_id = reference.subject_id"
        " LEFT JOIN subject_key ON subject_key.subject_id = reference.subject_id"
        " LEFT JOIN subject_group ON subject_group.subject_id = reference.subject_id"
        " WHERE held = 0 ORDER BY reference.reference_id, name"
    )
    # A row for each group of the subject.
    for reference_id, group_rows in groupby(rows, key=itemgetter(0)):
        first, *others = group_rows
        *stored, measures, name, is_first = first
        yield Listed(
            Reference(
                reference_id,
                stored[1],
                opened(vault, *stored),
                quality.decode(measures),
                stored[-1],
            ),
            () if name is None else (name, *(row[-2] for row in others)),
            bool(is_first),
        )


def held_subjects(connection: Connection) -> int:
    """How many subjects wait for a person to decide."""
    row = connection.row("SELECT count(*) FROM subject WHERE held = 1")
    assert row is not None
    return int(row[0])
