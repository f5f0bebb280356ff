"""Many references in one transaction: a statement per step and batch instead of several per reference."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
import numpy as np

from govid.errors import CallerError, SubjectExists, SubjectHeld, TooManyReferences
from govid.store import migration, templates
from govid.store.changes import announce
from govid.store.database import Connection
from govid.store.records import chunks, marks
from govid.store.shadow import SERVING
from govid.vault.sealing import NONCE_BYTES
from govid.vault.vault import SubjectKey, Vault, insert_keys

# Two photos of one person score far below; the same photo embedded by another machine scores above.
_SAME = 0.99999


class Incoming(msgspec.Struct, frozen=True, gc=False):
    """A reference to be stored: checked, of unit norm, as little-endian float32."""

    subject_id: str
    groups: tuple[str, ...]
    add: bool
    model_id: str
    embedding: bytes
    quality: str
    created_at: float
    region: bytes | None = None
    """What is kept of its photo."""


class Placed(NamedTuple):
    """Where a reference is stored, and whether it was before."""

    reference_id: int
    is_new: bool


@dataclass(slots=True)
class _Held:
    """What a subject has: ids (None: of this batch, not known yet) and templates of its references."""

    held: bool
    key: SubjectKey
    references: list[tuple[int | None, int, str, bytes]] = field(default_factory=list)
    """Id, place in the batch where the id is None, model id, embedding."""

    def place(self, one: Incoming) -> tuple[int | None, int] | None:
        """Id or place of the reference that has the same template."""
        for reference_id, place, model_id, embedding in self.references:
            if model_id == one.model_id and _same(embedding, one.embedding):
                return reference_id, place
        return None


def insert(
    connection: Connection, vault: Vault, incoming: Sequence[Incoming], *, max_references: int
) -> list[Placed | CallerError]:
    """Store references in their order, inside the caller's transaction.

    The first reference of an unknown subject creates it. The same template again is found and not stored: a
    batch that was committed before a crash may come once more.

    Returns:
        For each one its place, or SubjectExists (it was not to be added), SubjectHeld, TooManyReferences.
    """
    first: dict[str, Incoming] = {}
    for one in incoming:
        first.setdefault(one.subject_id, one)
    subjects = sorted(first)
    # Before the subjects, as an enrolment does: of two writers, each would otherwise wait for the other.
    connection.exclusive("gallery_change")
    for model_id in {one.model_id for one in incoming}:
        migration.claim_serving(connection, model_id)
    connection.execute_many(
        "INSERT INTO subject (subject_id, created_at, held) VALUES (?, ?, 0) ON CONFLICT DO NOTHING",
        [(subject, first[subject].created_at) for subject in subjects],
    )
    known = _known(connection, vault, subjects)
    # One without references is of this batch: whoever else inserted it has committed both.
    created = [*vault.new_keys([subject for subject in subjects if subject not in known])]
    insert_keys(connection, [row for row, _ in created])
    keys = {row.subject_id: key for row, key in created}

    decided: list[tuple[int | None, int] | CallerError] = []
    new: list[int] = []
    for place, one in enumerate(incoming):
        subject = known.get(one.subject_id)
        if subject is None:
            subject = known[one.subject_id] = _Held(held=False, key=keys[one.subject_id])
        elif same := subject.place(one):
            decided.append(same)
            continue
        elif refusal := _refusal(subject, one, max_references):
            decided.append(refusal)
            continue
        subject.references.append((None, place, one.model_id, one.embedding))
        decided.append((None, place))
        new.append(place)

    ids = _insert(connection, known, incoming, new)
    return [
        found
        if isinstance(found, CallerError)
        else Placed(ids[found[1]], is_new=found[1] == place)
        if found[0] is None
        else Placed(found[0], is_new=False)
        for place, found in enumerate(decided)
    ]


def _refusal(subject: _Held, one: Incoming, max_references: int) -> CallerError | None:
    if subject.held:
        return SubjectHeld()
    if not one.add:
        return SubjectExists()
    if len(subject.references) >= max_references:
        return TooManyReferences(f"{len(subject.references)} references, at most {max_references}")
    return None


def _known(connection: Connection, vault: Vault, subjects: Sequence[str]) -> dict[str, _Held]:
    """Subjects with references."""
    known: dict[str, _Held] = {}
    for some in chunks(subjects):
        for held, reference_id, subject_id, key_id, wrapped, model_id, stored, created_at in connection.rows(
            f"SELECT held, {templates.COLUMNS} FROM {SERVING} JOIN subject USING (subject_id)"
            f" LEFT JOIN subject_key USING (subject_id) WHERE subject_id IN ({marks(some)})"
            " ORDER BY reference_id",
            some,
        ):
            if (subject := known.get(subject_id)) is None:
                key = vault.unwrapped(subject_id, key_id, wrapped)
                subject = known[subject_id] = _Held(held=bool(held), key=key)
            embedding = templates.unsealed(subject.key, model_id, created_at, stored)
            subject.references.append((reference_id, -1, model_id, embedding))
    return known


def _insert(
    connection: Connection, known: Mapping[str, _Held], incoming: Sequence[Incoming], new: Sequence[int]
) -> dict[int, int]:
    """Insert the references at these places of the batch; the id of each place.

    Ids are read back by subject: within one they rise in the order of insertion.
    """
    # In order of the index, whose pages are then written once; of one subject, in the order they came.
    rows = sorted((incoming[place] for place in new), key=lambda one: one.subject_id)
    connection.execute_many(
        "INSERT INTO subject_group VALUES (?, ?) ON CONFLICT DO NOTHING",
        [(name, one.subject_id) for one in rows for name in one.groups],
    )
    before = connection.row("SELECT coalesce(max(reference_id), 0) FROM reference")
    assert before is not None
    random = os.urandom(NONCE_BYTES * len(rows))
    connection.execute_many(
        "INSERT INTO reference (subject_id, model_id, embedding, quality, created_at, sealed)"
        " VALUES (?, ?, ?, ?, ?, 1)",
        [
            (
                one.subject_id,
                one.model_id,
                templates.sealed(
                    known[one.subject_id].key,
                    one.model_id,
                    one.created_at,
                    one.embedding,
                    random[place * NONCE_BYTES : (place + 1) * NONCE_BYTES],
                ),
                one.quality,
                one.created_at,
            )
            for place, one in enumerate(rows)
        ],
    )
    places: dict[str, list[int]] = {}
    for place in reversed(new):
        places.setdefault(incoming[place].subject_id, []).append(place)
    ids: dict[int, int] = {}
    for reference_id, subject_id in connection.rows(
        "SELECT reference_id, subject_id FROM reference WHERE reference_id > ? ORDER BY reference_id",
        (before[0],),
    ):
        if waiting := places.get(subject_id):
            ids[waiting.pop()] = reference_id
    announce(connection, sorted(ids.values()))
    return ids


def _same(a: bytes, b: bytes) -> bool:
    if len(a) != len(b):
        return False
    return a == b or float(np.frombuffer(a, "<f4") @ np.frombuffer(b, "<f4")) > _SAME
