"""Whose templates count, and the migration to another model: one row that says where it stands."""

from __future__ import annotations

import time
from typing import NamedTuple

from govid.errors import MigrationRefused, ModelNotServing, NoMigration
from govid.store.database import Connection, Row
from govid.types import Template


class Model(NamedTuple):
    """A model as settings name it, and the id of its templates. One that none name any more has no words."""

    model_id: str
    profile: str
    precision: str
    embedder: str

    @property
    def settings(self) -> str:
        """What a server of this model is started with."""
        if not self.profile:
            return "the version or embedder that made them"
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


def serving(connection: Connection) -> str | None:
    """Id of the model whose templates count: nobody is enrolled under another one.

    None: nobody is enrolled, or the templates are of several models, from a govid that did not keep this.
    """
    if (now := current(connection)) is not None:
        return now.serving.model_id
    row = connection.row("SELECT model_id FROM serving_model WHERE EXISTS (SELECT 1 FROM reference)")
    return None if row is None else str(row[0])


def anybody(connection: Connection) -> bool:
    """Whether there is a reference, of whichever model."""
    return connection.row("SELECT 1 FROM reference LIMIT 1") is not None


def check_serving(connection: Connection, model_id: str) -> None:
    """Refuse to work with another model than the one whose templates count.

    It would compare nobody with those who are enrolled, and enrol where they do not find each other.

    Raises:
        ModelNotServing.
    """
    counts = serving(connection)
    if counts in {None, model_id}:
        return
    now = current(connection)
    raise ModelNotServing(
        f"templates of {counts} count, the settings name {model_id}"
        if now is None
        else f"templates of {counts} count (migration {now.migration_id} is {now.state}), the settings name "
        f"{model_id}; a server is now started with {now.serving.settings}"
    )


def claim_serving(connection: Connection, model_id: str) -> None:
    """``check_serving`` for a writer of references; the first one of a store decides whose templates count.

    Inside a transaction that holds ``gallery_change``.

    Raises:
        ModelNotServing.
    """
    check_serving(connection, model_id)
    if not anybody(connection):
        _keep_serving(connection, model_id)


def _keep_serving(connection: Connection, model_id: str) -> None:
    connection.execute("DELETE FROM serving_model")
    connection.execute("INSERT INTO serving_model VALUES (?)", (model_id,))


def placed(
    connection: Connection, made: Template, second: Template | None
) -> tuple[Template, Template | None]:
    """Which template of a new reference is kept with it, and which one beside it.

    The old model's is kept with it until the migration is finished, whichever counts.

    Raises:
        ModelNotServing: ``made`` would not count.
    """
    claim_serving(connection, made.model_id)
    now = current(connection)
    if now is None:
        return made, None
    if second is None or second.model_id != now.second.model_id or now.state == "finishing":
        return made, None
    return (second, made) if now.serves == "target" else (made, second)


def start(connection: Connection, source: Model, target: Model) -> MigrationRow:
    """Begin one.

    Raises:
        MigrationRefused: there is one.
        ModelNotServing: the templates of ``source`` do not count.
    """
    connection.exclusive("gallery_change")
    if (now := current(connection)) is not None:
        raise MigrationRefused(f"migration {now.migration_id} to {now.target.model_id} is {now.state}")
    check_serving(connection, source.model_id)
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
    if state == "finished":
        _keep_serving(connection, now._replace(serves=serves).serving.model_id)


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
