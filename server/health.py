"""What the server stands on, each with a name: looked at by /readyz, and by ``watch.py`` for the metrics."""

from __future__ import annotations

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from govid.errors import GovidError, OperatorError, SigningKeyGone, StorageFull, StoreUnavailable
from govid.pipeline import Engine
from server.chores import Chores

LOW_DISK_BYTES = 1 << 30
OK = "ok"
log = logging.getLogger("govid.server")


class UseCasesStale(OperatorError):
    slug = "use-cases-stale"
    title = "A use case file is wrong: all use cases stay as they were"
    remedy = "The log names file and key; correct it, or take the file away."


class DiskLow(StorageFull):
    slug = "disk-low"
    title = "Less than 1 GiB is free in the data folder"
    remedy = "Free some space: without any, nothing can be audited, and nothing is decided."


class ChoreFailing(OperatorError):
    slug = "chore-failing"
    title = "Checkpoints of the audit, announcements or erasures fail"
    remedy = "The log has the reason."


class Check(NamedTuple):
    """One dependency. Without a problem it is well."""

    name: str
    problem: GovidError | None = None
    vital: bool = False
    """Whether a server without it should get no requests. What all servers share, and a part of the requests
    does without, is not: they would leave the balancer together."""

    @property
    def state(self) -> str:
        """``ok``, or the slug of what is wrong."""
        return self.problem.slug if self.problem else OK


class Dependencies:
    """All of them. Safe to call from several threads."""

    def __init__(self, engine: Engine, chores: Chores) -> None:
        self._engine = engine
        self._chores = chores
        self._told: dict[str, str] = {}
        self._told_of = 0.0
        self._telling = threading.Lock()

    def look(self) -> list[Check]:
        """Ask each, one after the other. The log hears what changed, however often anybody looks."""
        engine, begun = self._engine, time.monotonic()
        checks = [
            # They are loaded, or the engine would not be here; a migration may have moved on to others.
            _asked("models", engine.check_serving, vital=True),
            _asked("store", engine.store.ping, vital=True),
            _asked("gallery", engine.gallery.ping),
            _asked("use_cases", lambda: _use_cases(engine)),
            _signing_key(engine),
            _asked("disk", lambda: _disk(engine)),
            _asked("chores", lambda: _chores(self._chores)),
        ]
        self._tell(checks, begun)
        return checks

    def _tell(self, checks: list[Check], begun: float) -> None:
        with self._telling:
            if begun < self._told_of:
                return  # somebody who looked later was quicker: this is old news
            self._told_of = begun
            for name, problem, _ in checks:
                state = problem.slug if problem else OK
                if state == self._told.get(name, OK):
                    continue
                self._told[name] = state
                if problem:
                    # With the detail, which names files and addresses: /readyz does not.
                    log.warning("%s: %s: %s (%s)", name, state, problem.detail, problem.remedy)
                else:
                    log.info("%s: ok again", name)


def _asked(name: str, ask: Callable[[], object], *, vital: bool = False) -> Check:
    try:
        ask()
    except GovidError as error:
        return Check(name, error, vital)
    return Check(name)


def _use_cases(engine: Engine) -> None:
    engine.use_cases.all()  # reads what changed
    if engine.use_cases.problem:
        raise UseCasesStale(engine.use_cases.problem)


def _signing_key(engine: Engine) -> Check:
    # Without the key of today no decision can leave; without its file one still can, until the next start.
    current = _asked("signing_key", lambda: _current_key(engine), vital=True)
    return current if current.problem else _asked("signing_key", lambda: _key_file(engine))


def _current_key(engine: Engine) -> None:
    with suppress(StoreUnavailable):  # which has a name of its own, and says nothing of the key
        _ = engine.ledger.signer


def _key_file(engine: Engine) -> None:
    path = engine.settings.signing_key
    if not os.access(path, os.R_OK):
        raise SigningKeyGone(str(path))


def _disk(engine: Engine) -> None:
    free = shutil.disk_usage(engine.settings.data_dir).free
    if free < LOW_DISK_BYTES:
        raise DiskLow(f"{free >> 20} MiB are free in {engine.settings.data_dir}")


def _chores(chores: Chores) -> None:
    if chores.problem:
        raise ChoreFailing(chores.problem)
