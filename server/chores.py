"""What a server does beside requests: it signs the audit, writes down erasures that others made, delivers
announcements, and erases what is past its time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass

from govid.errors import GovidError
from govid.pipeline import Engine
from govid.retention import Batch, Keeper
from govid.store.notifications import Outbox
from server.metrics import Metrics
from server.webhook import Webhook

POLL_SECONDS = 1.0
RETRY_SECONDS = 10.0
ERASE_SECONDS = 0.5
WRITE_DOWN_SECONDS = 10.0
PAUSE_SECONDS = 0.01  # between two batches, for whoever else writes
log = logging.getLogger("govid.server")


@dataclass(slots=True)
class _Chore:
    name: str
    work: Callable[[], object]
    every: float
    due: float = 0.0
    problem: str = ""


class Chores:
    """One thread for all. Each server process has one; the records keep two from doing a thing twice."""

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        *,
        checkpoint_seconds: float,
        retention_seconds: float,
        webhook: Webhook | None,
    ) -> None:
        self._metrics = metrics
        self._keeper = Keeper(
            engine.store.database, engine.settings, engine.use_cases, lambda: engine.ledger.signer
        )
        self._batches: Generator[Batch, None, None] | None = None
        self._retention_seconds = retention_seconds
        self._erase_due = time.monotonic()
        self._webhook = webhook
        first = time.monotonic() + checkpoint_seconds
        self._chores = [
            _Chore("checkpoints", engine.ledger.checkpoint, checkpoint_seconds, first),
            _Chore("erasures", engine.write_down_erasures, WRITE_DOWN_SECONDS),
        ]
        if retention_seconds:
            self._chores.append(_Chore("retention", self._erase, 0.0))
        if webhook:
            outbox = Outbox(engine.store.database)
            self._chores.append(_Chore("announcements", lambda: webhook.deliver_due(outbox), 0.0))
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="govid-chores", daemon=True)

    @property
    def problem(self) -> str:
        """What fails, with its reason; empty where nothing does."""
        return "; ".join(f"{chore.name}: {chore.problem}" for chore in self._chores if chore.problem)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is under way. What is left is done after the next start."""
        self._stop.set()
        self._thread.join()
        if self._batches:
            self._batches.close()
        if self._webhook:
            self._webhook.close()

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            for chore in self._chores:
                if time.monotonic() >= chore.due:
                    self._do(chore)

    def _do(self, chore: _Chore) -> None:
        try:
            chore.work()
        except GovidError as error:
            # The store is away, or the chain is broken: said again until somebody mends it.
            log.error("%s: %s: %s", chore.name, error.slug, error.detail)
            self._failed(chore, error.slug, f"{error.slug}: {error.detail}")
        except Exception:
            log.exception("%s failed", chore.name)
            self._failed(chore, GovidError.slug, "an error inside govid")
        else:
            chore.due, chore.problem = time.monotonic() + chore.every, ""

    def _failed(self, chore: _Chore, slug: str, problem: str) -> None:
        chore.due, chore.problem = time.monotonic() + RETRY_SECONDS, problem
        self._metrics.chore_failures.labels(chore.name, slug).inc()

    def _erase(self) -> None:
        """Erase for a moment what is past its time: announcements do not wait for a long run."""
        if time.monotonic() < self._erase_due:
            return
        batches = self._batches = self._batches or self._keeper.batches()
        until = time.monotonic() + ERASE_SECONDS
        try:
            while time.monotonic() < until and not self._stop.wait(PAUSE_SECONDS):
                if next(batches, None) is None:
                    self._batches = None
                    self._erase_due = time.monotonic() + self._retention_seconds
                    return
        except Exception:
            # A generator that raised is over: the next attempt begins anew.
            self._batches = None
            raise
