"""A migration from the model ``m`` to the model ``n``, whose templates the tests make up."""

from __future__ import annotations

import numpy as np

from govid import Settings
from govid.migration.models import named
from govid.store import NewReference, Stored, migration, shadow
from govid.store.migration import Model
from govid.store.photos import KeptPhoto
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from govid.types import Template
from tests.govid.store.support import AUDIT, new, reply

OLD, NEW = Model("m", "fast", "float32", "sface"), Model("n", "fast", "int8", "sface")
KEPT_UNTIL = 4e9


def begin(store: SqlStore) -> migration.MigrationRow:
    """Start it."""
    with store.database.writing() as connection:
        return migration.start(connection, OLD, NEW)


def enter(store: SqlStore, state: str, serves: str | None = None) -> None:
    """Bring it to a state."""
    with store.database.writing() as connection:
        migration.enter(connection, migration.required(connection), state, serves)


def take_over(old: Settings, new: Settings) -> None:
    """As after `govid migrate cut-over --force` and `finish` where no photo was kept."""
    store = SqliteStore(old.database)
    with store.database.writing() as connection:
        now = migration.start(connection, named(old), named(new))
        migration.enter(connection, now, "cut_over", "target")
        migration.enter(connection, migration.required(connection), "finished")
    store.close()


def face(seed: int, model_id: str = "n") -> Template:
    """The template of a face by a model."""
    vector = np.random.default_rng((seed, len(model_id), ord(model_id[0]))).normal(size=16)
    return Template(model_id, (vector / np.linalg.norm(vector)).astype(np.float32))


def enrol(
    store: SqlStore, subject: str, seed: int = 0, *, photo: bytes | None = None, **fields: object
) -> int:
    """A subject with one reference; its id."""
    kept = KeptPhoto("image/jpeg", photo, KEPT_UNTIL) if photo else None
    reference = NewReference(**{**_fields(new(subject, seed)), "photo": kept, **fields})  # type: ignore[arg-type]
    made = store.add_subject(reference, AUDIT, None, reply)
    assert isinstance(made, Stored)
    return made.reference.reference_id


def shadow_add(store: SqlStore, reference_id: int, seed: int = 0, *, news: bool = False) -> int:
    """A second template for a reference."""
    with store.database.writing() as connection:
        return shadow.add(connection, store.vault, {reference_id: face(seed)}, {}, news=news)


def shadows(store: SqlStore) -> list[int]:
    """References that have a second template."""
    with store.database.reading() as connection:
        rows = connection.rows("SELECT reference_id FROM shadow_template ORDER BY reference_id")
    return [reference_id for (reference_id,) in rows]


def kept(store: SqlStore) -> dict[int, str]:
    """The model of the template that lies with each reference, whichever counts."""
    with store.database.reading() as connection:
        return dict(connection.rows("SELECT reference_id, model_id FROM reference"))


def _fields(reference: NewReference) -> dict[str, object]:
    return {name: getattr(reference, name) for name in reference.__dataclass_fields__}
