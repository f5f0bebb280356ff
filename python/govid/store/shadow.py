"""The templates of the other model of a migration, and what it would have decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from govid import template as codec
from govid.store import migration, templates
from govid.store.changes import announce
from govid.store.database import Connection
from govid.types import Template
from govid.vault.vault import SubjectKey, Vault

SERVING = "serving_reference AS reference"
"""For reading: references with the template that counts."""
SERVING_SHADOW = (
    "shadow_template AS shadow ON shadow.reference_id = reference.reference_id AND shadow.model_id ="
    " (SELECT target_model_id FROM migration WHERE serves = 'target' AND state <> 'finished')"
)
"""The same spelt out, for where SQLite would read the whole view first; with ``reference`` before it."""
SERVING_COLUMNS = (
    "reference.reference_id, reference.subject_id, subject_key.key_id, subject_key.wrapped,"
    " coalesce(shadow.model_id, reference.model_id), coalesce(shadow.embedding, reference.embedding),"
    " reference.created_at"
)
"""``templates.COLUMNS`` of these two."""
_PAGE = 1000
_SPAN = 100_000


class ShadowRow(NamedTuple):
    """A template of the other model as it is stored. It is sealed as the one it may come to replace."""

    reference_id: int
    model_id: str
    embedding: bytes


class Pair(NamedTuple):
    """A use case, what the model that counts decided, and what the new one would have."""

    use_case: str
    old_decision: str
    new_decision: str


class Sums(NamedTuple):
    """Over the decisions of a pair: how many, and sums of scores and of log10 of the FMR at them."""

    compared: int
    old_score: float
    new_score: float
    old_log_fmr: float
    new_log_fmr: float


class Coverage(NamedTuple):
    """How many references there are, and for how many of them the new model can be used."""

    references: int
    covered: int
    obstacles: dict[str, int]
    """How many have none, by the reason."""


def sealed(key: SubjectKey, reference_id: int, created_at: float, made: Template) -> ShadowRow:
    """A row to insert; ``created_at`` is the reference's."""
    embedding = templates.sealed(key, made.model_id, created_at, codec.pack(made))
    return ShadowRow(reference_id, made.model_id, embedding)


def insert(connection: Connection, rows: Sequence[ShadowRow]) -> None:
    """Keep templates of the other model beside those of references, which exist; known ones stay."""
    connection.execute_many("INSERT INTO shadow_template VALUES (?, ?, ?) ON CONFLICT DO NOTHING", rows)


def add(
    connection: Connection,
    vault: Vault,
    made: Mapping[int, Template],
    obstacles: Mapping[int, str],
    *,
    news: bool,
) -> int:
    """Keep what was made of the photos of references; nothing for those that were deleted meanwhile, or that
    another worker was quicker with.

    Args:
        obstacles: why nothing was made, by reference.
        news: whether these templates count from now on, so that galleries have to look at them.

    Returns:
        How many templates were kept.
    """
    # Nobody is deleted meanwhile.
    connection.exclusive("gallery_change")
    kept: list[ShadowRow] = []
    noted: list[tuple[int, str]] = []
    for reference_id in (*made, *obstacles):
        there = connection.row(
            "SELECT subject_id, created_at FROM reference WHERE reference_id = ?"
            " AND NOT EXISTS (SELECT 1 FROM shadow_template"
            "  WHERE shadow_template.reference_id = reference.reference_id)",
            (reference_id,),
        )
        if there is None:
            continue
        if reference_id in made:
            key = vault.key(connection, there[0])
            kept.append(sealed(key, reference_id, there[1], made[reference_id]))
        else:
            noted.append((reference_id, obstacles[reference_id]))
    insert(connection, kept)
    connection.execute_many(
        "DELETE FROM shadow_obstacle WHERE reference_id = ?", [(row.reference_id,) for row in kept]
    )
    connection.execute_many("INSERT INTO shadow_obstacle VALUES (?, ?) ON CONFLICT DO NOTHING", noted)
    if news and kept:
        announce(connection, sorted(row.reference_id for row in kept))
    return len(kept)


def missing(
    connection: Connection, fitting: Sequence[str], *, after: int, to: int, limit: int
) -> list[tuple[int, str]]:
    """References with their subjects, behind ``after`` up to ``to``, that have nothing of the new model yet.

    Args:
        fitting: model ids whose templates serve the new model as they are.
    """
    return [
        (int(reference_id), subject_id)
        for reference_id, subject_id in connection.rows(
            "SELECT reference.reference_id, subject_id FROM reference"
            " LEFT JOIN shadow_template AS shadow ON shadow.reference_id = reference.reference_id"
            " LEFT JOIN shadow_obstacle AS obstacle ON obstacle.reference_id = reference.reference_id"
            " WHERE reference.reference_id > ? AND reference.reference_id <= ?"
            " AND shadow.reference_id IS NULL AND obstacle.reference_id IS NULL"
            f" AND reference.model_id NOT IN ({','.join('?' * len(fitting))})"
            " ORDER BY reference.reference_id LIMIT ?",
            (after, to, *fitting, limit),
        )
    ]


def forget_obstacles(connection: Connection) -> None:
    """Let every reference be tried again."""
    connection.execute("DELETE FROM shadow_obstacle")


def uncovered(connection: Connection, fitting: Sequence[str]) -> Iterator[str]:
    """Subjects, in order, that have a reference without a template of the new model."""
    yield from (
        subject_id
        for (subject_id,) in connection.stream(
            "SELECT DISTINCT subject_id FROM reference"
            " LEFT JOIN shadow_template AS shadow ON shadow.reference_id = reference.reference_id"
            " WHERE shadow.reference_id IS NULL"
            f" AND reference.model_id NOT IN ({','.join('?' * len(fitting))}) ORDER BY subject_id",
            tuple(fitting),
        )
    )


def coverage(connection: Connection, fitting: Sequence[str]) -> Coverage:
    """Counted span by span: a store that bounds the time of a statement counts a nation, too."""
    references = covered = after = 0
    last = _one(connection, "SELECT coalesce(max(reference_id), 0) FROM reference")
    while after < last:
        row = connection.row(
            "SELECT count(*), count(CASE WHEN shadow.reference_id IS NOT NULL"
            f" OR reference.model_id IN ({','.join('?' * len(fitting))}) THEN 1 END) FROM reference"
            " LEFT JOIN shadow_template AS shadow ON shadow.reference_id = reference.reference_id"
            " WHERE reference.reference_id > ? AND reference.reference_id <= ?",
            (*fitting, after, after + _SPAN),
        )
        assert row is not None
        references, covered, after = references + row[0], covered + row[1], after + _SPAN
    found = connection.rows("SELECT reason, count(*) FROM shadow_obstacle GROUP BY reason ORDER BY reason")
    return Coverage(references, covered, {reason: int(count) for reason, count in found})


def by_model(connection: Connection) -> dict[str, int]:
    """How many active references have a template that counts of each model; span by span, as ``coverage``."""
    found: dict[str, int] = {}
    after, last = 0, _one(connection, "SELECT coalesce(max(reference_id), 0) FROM reference")
    while after < last:
        for model_id, count in connection.rows(
            f"SELECT model_id, count(*) FROM {SERVING} JOIN subject USING (subject_id)"
            " WHERE held = 0 AND reference_id > ? AND reference_id <= ? GROUP BY model_id",
            (after, after + _SPAN),
        ):
            found[model_id] = found.get(model_id, 0) + int(count)
        after += _SPAN
    return found


def without_old(connection: Connection, model_id: str) -> int:
    """References that have no template of the old model to go back to."""
    return _one(
        connection,
        "SELECT count(*) FROM reference WHERE model_id <> ? AND NOT EXISTS (SELECT 1 FROM shadow_template"
        " WHERE shadow_template.reference_id = reference.reference_id)",
        (model_id,),
    )


def candidates(connection: Connection, vault: Vault, subject_id: str, not_before: float) -> list[Template]:
    """For each reference of an active subject the new model's template, or else the one kept with it."""
    rows = connection.rows(
        f"SELECT {SERVING_COLUMNS} FROM reference"
        " JOIN subject ON subject.subject_id = reference.subject_id"
        " LEFT JOIN subject_key ON subject_key.subject_id = reference.subject_id"
        " LEFT JOIN shadow_template AS shadow ON shadow.reference_id = reference.reference_id"
        " WHERE reference.subject_id = ? AND held = 0 AND reference.created_at >= ?"
        " ORDER BY reference.reference_id",
        (subject_id, not_before),
    )
    return [templates.opened(vault, *row) for row in rows]


def second(connection: Connection, vault: Vault, reference_id: int) -> Template | None:
    """The template of a reference that does not count; None where it has but one."""
    now = migration.current(connection)
    own = "reference" if now and now.serves == "target" else "shadow"
    row = connection.row(
        "SELECT reference.reference_id, reference.subject_id, subject_key.key_id, subject_key.wrapped,"
        f" {own}.model_id, {own}.embedding, reference.created_at FROM shadow_template AS shadow"
        " JOIN reference ON reference.reference_id = shadow.reference_id"
        " LEFT JOIN subject_key ON subject_key.subject_id = reference.subject_id"
        " WHERE shadow.reference_id = ?",
        (reference_id,),
    )
    return None if row is None else templates.opened(vault, *row)


def count(connection: Connection, migration_id: int, outcomes: Mapping[Pair, Sums]) -> None:
    """Add outcomes to those of a migration."""
    columns = Sums._fields
    added = ", ".join(f"{name} = shadow_outcome.{name} + excluded.{name}" for name in columns)
    connection.execute_many(
        "INSERT INTO shadow_outcome (migration_id, use_case, old_decision, new_decision,"
        f" {', '.join(columns)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
        f" ON CONFLICT (migration_id, use_case, old_decision, new_decision) DO UPDATE SET {added}",
        [(migration_id, *pair, *sums) for pair, sums in sorted(outcomes.items())],
    )


def outcomes(connection: Connection, migration_id: int) -> dict[Pair, Sums]:
    """Everything counted for a migration."""
    return {
        Pair(*row[:3]): Sums(*row[3:])
        for row in connection.rows(
            "SELECT use_case, old_decision, new_decision, compared, old_score, new_score, old_log_fmr,"
            " new_log_fmr FROM shadow_outcome WHERE migration_id = ?"
            " ORDER BY use_case, old_decision, new_decision",
            (migration_id,),
        )
    }


def settle(connection: Connection, *, keep: bool) -> int:
    """Do away with the second templates of some references; how many that were.

    Args:
        keep: they count, and take the place of those that do not.
    """
    # Nobody is deleted, and no reference comes, in between.
    connection.exclusive("gallery_change")
    some = connection.rows(
        "SELECT model_id, embedding, reference_id FROM shadow_template ORDER BY reference_id LIMIT ?",
        (_PAGE,),
    )
    if keep:
        connection.execute_many(
            "UPDATE reference SET model_id = ?, embedding = ? WHERE reference_id = ?", some
        )
    connection.execute_many(
        "DELETE FROM shadow_template WHERE reference_id = ?", [(reference_id,) for _, _, reference_id in some]
    )
    return len(some)


def _one(connection: Connection, statement: str, parameters: Sequence[str] = ()) -> int:
    row = connection.row(statement, parameters)
    assert row is not None
    return int(row[0])
