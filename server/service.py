"""The engine behind the server: loaded in the background, called from a bounded pool of threads."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from govid.config import Settings
from govid.errors import GovidError, NotReady, Overloaded, Refusal
from govid.pipeline import Engine
from server.metrics import Metrics
from server.settings import ServerSettings

R = TypeVar("R")
log = logging.getLogger("govid.server")


class Service:
    """Runs engine calls off the event loop, as many at once as there are workers."""

    def __init__(self, settings: Settings, server: ServerSettings, metrics: Metrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._capacity = server.worker_count + server.max_waiting
        self._pool = ThreadPoolExecutor(server.worker_count, thread_name_prefix="govid")
        self._in_flight = 0
        self._engine: Engine | None = None
        self.failure: GovidError | None = None
        self.on_failure: Callable[[], None] = lambda: None

    @property
    def engine(self) -> Engine:
        """The loaded engine.

        Raises:
            NotReady: it is still loading.
        """
        if self._engine is None:
            raise NotReady
        return self._engine

    def start(self) -> None:
        """Load the engine in the background, so that /healthz answers meanwhile."""
        threading.Thread(target=self._load, name="govid-load", daemon=True).start()

    def _load(self) -> None:
        try:
            engine = Engine(self._settings)
        except GovidError as error:
            self.failure = error
            self.on_failure()
            return
        except Exception as error:
            log.exception("the engine could not be loaded")
            self.failure = GovidError(str(error))
            self.on_failure()
            return
        self._metrics.follow_gallery(lambda: len(engine.gallery))
        self._metrics.model.info(
            {"model_id": engine.model_id, "calibration": engine.calibration.calibration_id}
        )
        self._metrics.ready.set(1)
        self._engine = engine
        log.info("ready: %s, %d references in the gallery", engine.model_id, len(engine.gallery))

    async def run(self, operation: str, call: Callable[[Engine], R]) -> R:
        """Call the engine on a worker thread.

        Raises:
            NotReady: the engine is still loading.
            Overloaded: all workers are busy and the queue is full.
        """
        engine = self.engine
        if self._in_flight >= self._capacity:
            raise Overloaded
        self._in_flight += 1
        self._metrics.waiting.inc()
        loop = asyncio.get_running_loop()
        future = self._pool.submit(call, engine)
        # Counted down when the work ends, not when the client leaves: a worker stays busy until then.
        future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._done))
        try:
            return await asyncio.wrap_future(future)
        except Refusal as refusal:
            self._metrics.refusals.labels(operation, refusal.reason, refusal.slug).inc()
            raise

    def _done(self) -> None:
        self._in_flight -= 1
        self._metrics.waiting.dec()

    def stop(self) -> None:
        """Finish what runs, then close the records."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._engine is not None:
            self._engine.close()
            self._engine = None
