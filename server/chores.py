"""What a server does beside requests: it signs the audit, delivers announcements, and erases what is past its
time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Generator

from govid.errors import GovidError
from govid.pipeline import Engine
from govid.retention import Batch, Keeper
from govid.store.notifications import Outbox
from server.webhook import Webhook

POLL_SECONDS = 1.0
ERASE_SECONDS = 0.5
PAUSE_SECONDS = 0.01  # between two batches, for whoever else writes
log = logging.getLogger("govid.server")


class Chores:
    """One thread for all. Each server process has one; the records keep two from doing a thing twice."""

    def __init__(
        self,
        engine: Engine,
        *,
        checkpoint_seconds: float,
        retention_seconds: float,
        webhook: Webhook | None,
    ) -> None:
        self._engine = engine
        self._keeper = Keeper(engine.store.database, engine.settings, engine.use_cases, engine.ledger.signer)
        self._batches: Generator[Batch, None, None] | None = None
        self._retention_seconds = retention_seconds
        self._erase_due = time.monotonic()
        self._outbox = Outbox(engine.store.database)
        self._checkpoint_seconds = checkpoint_seconds
        self._webhook = webhook
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="govid-chores", daemon=True)

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
        due = time.monotonic() + self._checkpoint_seconds
        while not self._stop.wait(POLL_SECONDS):
            try:
                if self._webhook:
                    self._webhook.deliver_due(self._outbox)
                if time.monotonic() >= due:
                    due = time.monotonic() + self._checkpoint_seconds
                    self._engine.ledger.checkpoint()
                if self._retention_seconds and time.monotonic() >= self._erase_due:
                    self._erase()
            except GovidError as error:
                # The store is away, or the chain is broken: said again until somebody mends it.
                log.error("%s: %s", error.slug, error.detail)
                self._stop.wait(10 * POLL_SECONDS)
            except Exception:
                log.exception("a chore failed")
                self._stop.wait(10 * POLL_SECONDS)

    def _erase(self) -> None:
        """Erase for a moment what is past its time: announcements do not wait for a long run."""
        batches = self._batches = self._batches or self._keeper.batches()
        until = time.monotonic() + ERASE_SECONDS
        while time.monotonic() < until and not self._stop.wait(PAUSE_SECONDS):
            if next(batches, None) is None:
                self._batches = None
                self._erase_due = time.monotonic() + self._retention_seconds
                return
