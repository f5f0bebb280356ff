"""What an engine does for a migration: it notices one, holds the second model, and refuses once it is past.

A server that cannot hold the second model serves all the same: references that lack a template of it are
counted before anything is changed over.
"""

from __future__ import annotations

import logging
import random
import threading
import time

from govid import policy
from govid.config import Settings
from govid.errors import GovidError, ModelNotServing
from govid.migration.models import SecondModel, check_settings
from govid.migration.shadow import Shadowed, ShadowJudge
from govid.store import Store, migration
from govid.types import Image, Template

LOOK_SECONDS = 1.0
"""A migration, and each step of it, is noticed after at most so long."""

log = logging.getLogger("govid.migration")


class Companion:
    """Safe to call from several threads."""

    def __init__(self, store: Store, settings: Settings, model_id: str) -> None:
        """Look for a migration, and load its second model if there is one.

        Raises:
            ModelNotServing: the settings name a model whose templates do not count.
        """
        self._database, self._settings, self._model_id = store.database, settings, model_id
        self._random = random.SystemRandom()
        self._now: migration.MigrationRow | None = None
        self.second: SecondModel | None = None
        """The other model, once a migration began and it is loaded."""
        self._loaded: tuple[int, str] | None = None
        self._loader: threading.Thread | None = None
        self._judge = ShadowJudge(store)
        self._next_look = 0.0
        check_settings(store, settings)
        with self._database.reading() as connection:
            self._flips = migration.flips(connection)
        self.check()
        if self._loader:
            self._loader.join()

    def check(self, *, now: bool = False) -> None:
        """Refuse to work with a model whose templates do not count, or did not for a while.

        Args:
            now: as the records are at this moment, not as they were up to a second ago.

        Raises:
            ModelNotServing, StoreUnavailable.
        """
        if now or time.monotonic() >= self._next_look:
            with self._database.reading() as connection:
                self._now = migration.current(connection)
                migration.check_serving(connection, self._model_id)
                if migration.flips(connection) != self._flips:
                    # Its gallery has gone past what was enrolled meanwhile, and would not find it.
                    raise ModelNotServing("another model has taken over since this engine was started")
            # Only now: what was refused once is looked at again.
            self._next_look = time.monotonic() + LOOK_SECONDS
            self._follow()

    def _follow(self) -> None:
        """Load the second model of a migration that began; let go of that of one that ended."""
        now = self._now
        wanted = now and (now.migration_id, now.second.model_id)
        if wanted == self._loaded:
            return
        self._loaded, self.second = wanted, None
        if now is not None:
            self._loader = threading.Thread(target=self._load, args=(now,), name="govid-second-model")
            self._loader.start()

    def _load(self, now: migration.MigrationRow) -> None:
        try:
            second = SecondModel(self._settings, now.second)
        except GovidError as error:
            log.warning(
                "migration %d: no second templates are made here: %s: %s (%s)",
                now.migration_id, error.slug, error.detail, error.remedy,
            )  # fmt: skip
            return
        except Exception:
            log.exception("migration %d: no second templates are made here", now.migration_id)
            return
        if self._loaded == (now.migration_id, now.second.model_id):
            self.second = second
            log.info("migration %d: %s runs beside", now.migration_id, now.second.model_id)

    def embed(self, crop: Image | None) -> Template | None:
        """The second template of a crop, while a migration is under way. One that fails is none."""
        second = self.second
        try:
            return second.embed(crop) if second and crop is not None else None
        except GovidError as error:
            log.warning("no second template was made: %s: %s", error.slug, error.detail)
            return None

    def offer(
        self, crop: Image | None, subject: str | None, purpose: policy.UseCase, old: policy.Judgement
    ) -> None:
        """Let the new model judge a verification, too, some time later. Nothing waits for it."""
        now, second = self._now, self.second
        if now is None or second is None or now.state != "shadowing" or crop is None or subject is None:
            return
        if self._random.random() < self._settings.migration_shadow_fraction:
            self._judge.offer(Shadowed(now.migration_id, second, crop, subject, purpose, old))

    def close(self) -> None:
        """Judge what waits, and end."""
        if self._loader:
            self._loader.join()
        self._judge.close()
