"""The migration to another model: one row that says where it stands and whose templates count."""

from __future__ import annotations

import time
from typing import NamedTuple

from govid.errors import MigrationRefused, ModelNotServing, NoMigration
from govid.store.database import Connection, Row
from govid.types import Template


class Model(NamedTuple):
    """A model as settings name it, and the id of its templates."""

    model_id: str
    profile: str
    precision: str
    embedder: str

    @property
    def settings(self) -> str:
        """What a server of this model is started with."""
        return f"GOVID_PROFILE={self.profile} GOVID_PRECISION={self.precision} GOVID_EMBEDDER={self.embedder}"


class MigrationRow(NamedTuple):
    """A migration. ``serves`` is ``source`` or ``target``: whose templates count."""

    migration_id: int
    state: str
    serves: str
    flips: int
    source: Model
    target: Model
    created_at: float
    ended_at: float | None

    @property
    def serving(self) -> Model:
        """The model whose templates count."""
        return self.target if self.serves == "target" else self.source

    @property
    def second(self) -> Model:
        """The other one."""
        return self.source if self.serves == "target" else self.target


_COLUMNS = (
    "migration_id, state, serves, flips, source_model_id, source_profile, source_precision, source_embedder,"
    " target_model_id, target_profile, target_precision, target_embedder, created_at, ended_at"
)


def current(connection: Connection) -> MigrationRow | None:
    """The migration under way."""
    return _row(connection.row(f"SELECT {_COLUMNS} FROM migration WHERE state <> 'finished'"))


def required(connection: Connection) -> MigrationRow:
    """The migration under way; raises NoMigration."""
    if (now := current(connection)) is None:
        raise NoMigration
    return now


def newest(connection: Connection) -> MigrationRow:
    """The last one that began, whether or not it is finished; raises NoMigration."""
    now = _row(connection.row(f"SELECT {_COLUMNS} FROM migration ORDER BY migration_id DESC LIMIT 1"))
    if now is None:
        raise NoMigration
    return now


def _row(row: Row | None) -> MigrationRow | None:
    if row is None:
        return None
    migration_id, state, serves, flipped, *models, created_at, ended_at = row
    source, target = Model(*models[:4]), Model(*models[4:])
    return MigrationRow(migration_id, state, serves, flipped, source, target, created_at, ended_at)


def flips(connection: Connection) -> int:
    """How often another model took over. What was derived from the templates before then does not hold."""
    row = connection.row("SELECT coalesce(sum(flips), 0) FROM migration")
    assert row is not None
    return int(row[0])


def check_serving(connection: Connection, model_id: str) -> None:
    """Refuse to work with another model than the one whose templates count, while a migration is under way.

    Raises:
        ModelNotServing.
    """
    now = current(connection)
    if now is not None and model_id != now.serving.model_id:
        raise ModelNotServing(
            f"templates of {now.serving.model_id} count (migration {now.migration_id} is {now.state}), the "
            f"settings name {model_id}; a server is now started with {now.serving.settings}"
        )


def placed(
    connection: Connection, made: Template, second: Template | None
) -> tuple[Template, Template | None]:
    """Which template of a new reference is kept with it, and which one beside it.

    The old model's is kept with it until the migration is finished, whichever counts.

    Raises:
        ModelNotServing: ``made`` would not count.
    """
    now = current(connection)
    if now is None:
        return made, None
    check_serving(connection, made.model_id)
    if second is None or second.model_id != now.second.model_id or now.state == "finishing":
        return made, None
    return (second, made) if now.serves == "target" else (made, second)


def start(connection: Connection, source: Model, target: Model) -> MigrationRow:
    """Begin one.

    Raises:
        MigrationRefused: there is one.
    """
    connection.exclusive("gallery_change")
    if (now := current(connection)) is not None:
        raise MigrationRefused(f"migration {now.migration_id} to {now.target.model_id} is {now.state}")
    connection.execute(
        "INSERT INTO migration (state, serves, source_model_id, source_profile, source_precision,"
        " source_embedder, target_model_id, target_profile, target_precision, target_embedder, created_at)"
        " VALUES ('prepared', 'source', ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*source, *target, time.time()),
    )
    started = current(connection)
    assert started is not None
    return started


def enter(connection: Connection, now: MigrationRow, state: str, serves: str | None = None) -> None:
    """Change the state, and whose templates count: for every reader in the same moment."""
    serves = serves or now.serves
    connection.execute(
        "UPDATE migration SET state = ?, serves = ?, flips = flips + ?, ended_at = ? WHERE migration_id = ?",
        (
            state,
            serves,
            int(serves != now.serves),
            time.time() if state == "finished" else None,
            now.migration_id,
        ),
    )


def claim(connection: Connection, migration_id: int, size: int) -> tuple[int, int] | None:
    """The next references for one worker: those behind the first id, up to the second; None: no more."""
    connection.exclusive("migration_claim")
    row = connection.row("SELECT claimed_to FROM migration WHERE migration_id = ?", (migration_id,))
    assert row is not None
    end = connection.row(
        "SELECT max(reference_id) FROM (SELECT reference_id FROM reference WHERE reference_id > ?"
        " ORDER BY reference_id LIMIT ?) AS next",
        (row[0], size),
    )
    if end is None or end[0] is None:
        return None
    connection.execute("UPDATE migration SET claimed_to = ? WHERE migration_id = ?", (end[0], migration_id))
    return int(row[0]), int(end[0])
