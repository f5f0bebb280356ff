"""Makes templates of the new model from kept photos. It may be killed at any time and started anew.

Any number of workers, on any machines, may work at once: each claims the next references in the store. What a
killed worker had claimed and not done is found at the end, by what is missing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeAlias

import msgspec

from govid.audit import AuditRecord
from govid.callers import LOCAL
from govid.errors import MigrationRefused, Refusal
from govid.store import Store, migration, shadow
from govid.store.audit import append as append_audit
from govid.store.database import MAX_INTEGER, Connection
from govid.types import Template

PhotoOf: TypeAlias = Callable[[Connection, int], bytes | None]
"""The kept photo of a reference; None where none is kept."""

NO_PHOTO = "no-photo"
BATCH = 8
"""References of one claim and one transaction: about a second of work, which a kill costs."""


class Reembedded(msgspec.Struct, kw_only=True):
    """What one run did."""

    templates: int = 0
    without_photo: int = 0
    refused: int = 0
    """Kept photos in which the new pipeline finds no usable face."""


class Reembedder:
    """Works until nothing is missing."""

    def __init__(
        self,
        store: Store,
        fitting: Sequence[str],
        embed: Callable[[bytes], Template],
        photo_of: PhotoOf,
        *,
        threads: int = 1,
        per_second: float = 0.0,
        advance: Callable[[int], object] = lambda _: None,
    ) -> None:
        """
        Args:
            fitting: model ids whose templates need no second one, that of the new model first.
            embed: the new model's template of a photo, or a Refusal; called from several threads.
            per_second: most photos a second; 0: as many as can be.
            advance: told how many references were looked after.
        """
        self._store, self._fitting, self._embed, self._photo_of = store, fitting, embed, photo_of
        self._threads, self._per_second, self._advance = threads, per_second, advance
        self._pacing, self._next_photo = threading.Lock(), 0.0

    def run(self, request_id: str) -> Reembedded:
        """Give every reference a template of the new model, or note why it has none.

        Raises:
            NoMigration, MigrationRefused, OperatorError: what was committed stays, and the next run goes on.
        """
        done = Reembedded()
        with self._store.database.writing() as connection:
            now = self._under_way(connection)
            if now.state == "prepared":
                migration.enter(connection, now, "embedding")
        try:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="govid-reembed") as pool:
                for some in self._claims(now.migration_id):
                    self._batch(some, pool, done)
        finally:
            self._close(now.migration_id, request_id, done)
        return done

    def _claims(self, migration_id: int) -> Iterator[list[tuple[int, str]]]:
        while True:
            with self._store.database.writing() as connection:
                span = migration.claim(connection, migration_id, BATCH)
            if span is None:
                break
            with self._store.database.reading() as connection:
                yield shadow.missing(connection, self._fitting, after=span[0], to=span[1], limit=BATCH)
        after = 0
        while True:
            with self._store.database.reading() as connection:
                some = shadow.missing(connection, self._fitting, after=after, to=MAX_INTEGER, limit=BATCH)
            if not some:
                return
            yield some
            after = some[-1][0]

    def _batch(self, some: Sequence[tuple[int, str]], pool: ThreadPoolExecutor, done: Reembedded) -> None:
        templates: dict[int, Template] = {}
        obstacles: dict[int, str] = {}
        for (reference_id, _), made in zip(some, pool.map(self._made, [one[0] for one in some]), strict=True):
            if isinstance(made, Template):
                templates[reference_id] = made
            else:
                obstacles[reference_id] = made
        with self._store.database.writing() as connection:
            now = self._under_way(connection)
            news = now.serves == "target"
            done.templates += shadow.add(connection, self._store.vault, templates, obstacles, news=news)
        done.without_photo += sum(reason == NO_PHOTO for reason in obstacles.values())
        done.refused += sum(reason != NO_PHOTO for reason in obstacles.values())
        self._advance(len(some))

    def _under_way(self, connection: Connection) -> migration.MigrationRow:
        # No step is taken between this look and what follows from it.
        connection.exclusive("gallery_change")
        now = migration.required(connection)
        if now.state == "finishing":
            raise MigrationRefused("it is being finished")
        if now.target.model_id != self._fitting[0]:
            raise MigrationRefused(f"another one has begun, to {now.target.model_id}")
        return now

    def _wait(self) -> None:
        """Until the rate allows one more photo."""
        if not self._per_second:
            return
        with self._pacing:
            self._next_photo = max(self._next_photo, time.monotonic()) + 1 / self._per_second
            wait = self._next_photo - 1 / self._per_second - time.monotonic()
        time.sleep(max(0.0, wait))

    def _made(self, reference_id: int) -> Template | str:
        with self._store.database.reading() as connection:
            photo = self._photo_of(connection, reference_id)
        if photo is None:
            return NO_PHOTO
        self._wait()
        try:
            return self._embed(photo)
        except Refusal as refusal:
            return refusal.slug

    def _close(self, migration_id: int, request_id: str, done: Reembedded) -> None:
        with self._store.database.writing() as connection:
            connection.exclusive("gallery_change")
            now = migration.current(connection)
            if now is None or now.migration_id != migration_id:
                return
            left = shadow.missing(connection, self._fitting, after=0, to=MAX_INTEGER, limit=1)
            if not left and now.state in {"embedding", "rolled_back"}:
                migration.enter(connection, now, "shadowing")
            append_audit(
                connection, audit_of(now, "EMBEDDED", request_id, msgspec.json.encode(done).decode())
            )


def audit_of(
    now: migration.MigrationRow, outcome: str, request_id: str, note: str | None = None
) -> AuditRecord:
    """The record of a step of a migration."""
    return AuditRecord(
        time=time.time(),
        request_id=request_id,
        caller=LOCAL.name,
        operation="migrate",
        outcome=outcome,
        model_id=now.target.model_id,
        note=note,
    )
