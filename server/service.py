"""The engine behind the server: loaded in the background, called from a bounded pool of threads."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from litestar import Request

from govid.config import Settings
from govid.dedup.jobs import opened as opened_jobs
from govid.errors import GovidError, InvalidParameter, NotReady, Refusal
from govid.pipeline import Engine
from server import health, tracing, webhook
from server.access.keyring import MAX_AGE_SECONDS
from server.access.settings import AccessSettings
from server.bodies import SMALL_BODY, Body
from server.chores import Chores
from server.dedup import BackgroundDedup
from server.drift import DriftWatch
from server.errors import BodyTooLarge, BodyTooSlow, ClientGone, UnsupportedContentType
from server.examination import Examination
from server.metrics import Metrics
from server.places import BATCH, Place, Places
from server.settings import ServerSettings
from server.watch import Watch
from server.workers import Workers

R = TypeVar("R")
DRAIN_SECONDS = 10
log = logging.getLogger("govid.server")


class Service:
    """Runs engine calls off the event loop, as many at once as there are workers."""

    def __init__(
        self,
        settings: Settings,
        server: ServerSettings,
        metrics: Metrics,
        access: AccessSettings | None = None,
    ) -> None:
        self._settings = settings
        self._server = server
        self._webhook = webhook.from_settings(server)
        self._chores: Chores | None = None
        self._dependencies: health.Dependencies | None = None
        self._watch: Watch | None = None
        self._drift: DriftWatch | None = None
        self.metrics = metrics
        self.tracing = tracing.from_environment() if server.tracing else None
        self.draining = False
        """The server has been told to stop, and waits for its balancer to notice."""
        metrics.workers.set(server.worker_count)
        self._workers = Workers(server.worker_count, self._waited, server.unpacked_bytes)
        at_once = (access or AccessSettings()).requests_at_once
        self._places = Places(server, at_once, self._workers, metrics)
        self._body_seconds = server.body_seconds
        self._looking: asyncio.Task[list[health.Check]] | None = None
        self._loader = threading.Thread(target=self._load, name="govid-load")
        self._engine: Engine | None = None
        self._dedup_resume = server.dedup_resume
        self._dedup: BackgroundDedup | None = None
        self.examination = Examination(lambda: self._places.taken > 0)
        self.failure: GovidError | None = None
        self.stuck = False
        self.stopped_loading = False
        self.confirm: Callable[[Any], Awaitable[None]] = _nothing_to_confirm
        """Whether the caller of an ASGI scope may still ask; raises if not."""
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

    @property
    def dedup(self) -> BackgroundDedup:
        """The dedup jobs of the store, and the thread that works on one.

        Raises:
            NotReady: the engine is still loading.
        """
        if self._dedup is None:
            raise NotReady
        return self._dedup

    def start(self) -> None:
        """Load the engine in the background, so that /healthz answers meanwhile."""
        self._workers.start()
        self._loader.start()

    def _load(self) -> None:
        try:
            engine = Engine(self._settings)
            jobs = opened_jobs(engine.settings, engine.store)
        except GovidError as error:
            self.failure = error
            self.on_failure()
            return
        except Exception as error:
            log.exception("the engine could not be loaded")
            self.failure = GovidError(str(error))
            self.on_failure()
            return
        self.metrics.gallery.stats = engine.gallery.stats
        self.metrics.model.info(
            {"model_id": engine.model_id, "calibration": engine.calibration.calibration_id}
        )
        self.metrics.left_out.set(engine.left_out)
        self._chores = Chores(
            engine,
            self.metrics,
            checkpoint_seconds=self._server.audit_checkpoint_seconds,
            retention_seconds=self._server.retention_seconds,
            webhook=self._webhook,
        )
        self._chores.start()
        self._dependencies = health.Dependencies(engine, self._chores)
        self._watch = Watch(engine, self._dependencies, self.metrics, self._server)
        self._watch.start()
        if self._server.drift_seconds:
            self._drift = DriftWatch(engine.drift, self.metrics, every_seconds=self._server.drift_seconds)
            self._drift.start()
            engine.on_verified = self._drift.offer
        self._dedup = BackgroundDedup(jobs, lambda: self._places.taken > 0)
        self._engine = engine
        if self._dedup_resume:
            self._dedup.resume_running()
        if engine.left_out:
            log.warning(
                "%d references were made by another model or profile: no search finds them, enrol them anew",
                engine.left_out,
            )
        log.info("ready: %s, %d references in the gallery", engine.model_id, len(engine.gallery))

    async def answer(
        self, request: Request[Any, Any, Any], operation: str, call: Callable[[Engine, Body], R]
    ) -> R:
        """Read the body and call the engine on a worker thread.

        For a photo a place is taken before it is read: what cannot be answered is not received either.

        Raises:
            NotReady: the engine is still loading.
            QuotaExceeded: the caller has as many requests in hand as it may.
            Unauthenticated: its key ended while the body was under way.
            Overloaded: all workers are busy and the queue is full, or too many ask whom nobody knows.
            BodyTooLarge: it is longer than the route takes.
            BodyTooSlow: the body did not arrive in time.
            ClientGone: nor will it.
        """
        engine = self.engine
        content_type = _only(request, b"content-type")
        if _only(request, b"content-encoding").lower() not in {"", "identity"}:
            # Somebody in front may unpack it; here it would be taken as it is, or be a bomb.
            raise UnsupportedContentType("send the body without a Content-Encoding")
        most = request.route_handler.resolve_request_max_body_size() or 0
        begun = time.monotonic()
        data = None
        if most <= SMALL_BODY:
            with self._places.small_body() as small:
                data = await self._receive(request, most, partial(self._places.charge_small, small))
        caller = request.scope["state"]["caller"]
        with self._places.taken_by(operation, caller) as place:
            if data is None:
                with self._places.arriving(caller):
                    data = await self._receive(request, most, partial(self._places.charge, place))
            if time.monotonic() - begun > MAX_AGE_SECONDS:
                await self.confirm(request.scope)
            body = Body(content_type, request.scope["query_string"], data)
            return await self._run(place, operation, self._traced(request, lambda: call(engine, body)))

    async def _receive(
        self, request: Request[Any, Any, Any], most: int, charge: Callable[[int], None]
    ) -> bytes:
        """The body, charged as it comes: an announcement takes no memory."""
        try:
            async with asyncio.timeout(self._body_seconds):
                return await _received(request, most, charge)
        except TimeoutError:
            raise BodyTooSlow(f"not within {self._body_seconds:g} s") from None

    async def run(self, request: Request[Any, Any, Any], operation: str, call: Callable[[Engine], R]) -> R:
        """Call the engine on a worker thread, for a request without a body.

        Raises:
            NotReady, QuotaExceeded, Overloaded.
        """
        engine = self.engine
        with self._places.taken_by(operation, request.scope["state"]["caller"]) as place:
            return await self._run(place, operation, self._traced(request, lambda: call(engine)))

    async def look(self) -> list[health.Check]:
        """Ask every dependency, beside the queue: a busy server is ready all the same.

        Raises:
            NotReady: the engine is still loading.
        """
        if self._engine is None or self._dependencies is None:
            raise NotReady
        # Anybody may ask, as often as they like: all who do meanwhile share one answer, and one connection.
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(asyncio.to_thread(self._dependencies.look))
        return await asyncio.shield(self._looking)

    def _traced(self, request: Request[Any, Any, Any], call: Callable[[], R]) -> Callable[[], R]:
        return self.tracing.noted(request.scope["state"], call) if self.tracing else call

    def _waited(self, interactive: bool, seconds: float) -> None:
        self.metrics.queued_of("interactive" if interactive else "batch").observe(seconds)

    async def _run(self, place: Place, operation: str, call: Callable[[], R]) -> R:
        # Given back when the work ends, not when the client leaves: a worker stays busy until then.
        place.held = True
        try:
            result: R = await self._workers.submit(
                call, interactive=operation not in BATCH, ended=lambda: self._places.leave(place)
            )
            return result
        except Refusal as refusal:
            self.metrics.refusals.labels(operation, refusal.reason, refusal.slug).inc()
            raise

    async def stop(self) -> None:
        """Finish what runs, then close the records. The event loop goes on meanwhile.

        Work that does not end within the time to drain is given up, and ``stuck`` says so. So is loading,
        in which nobody's work is lost.
        """
        loop, done = asyncio.get_running_loop(), asyncio.Event()

        def finish() -> None:
            self._stop()
            loop.call_soon_threadsafe(done.set)

        # A thread of its own: the loop's executor would be waited for without end when the loop closes.
        threading.Thread(target=finish, name="govid-stop", daemon=True).start()
        try:
            async with asyncio.timeout(DRAIN_SECONDS):
                await done.wait()
        except (TimeoutError, asyncio.CancelledError):
            self.stuck = True
            self.stopped_loading = self._loader.is_alive()
            if self.stopped_loading:
                log.warning("stopped while still loading")
            else:
                log.error("work did not end within %d s and is given up", DRAIN_SECONDS)

    def _stop(self) -> None:
        # Killed inside a model load, the process would abort.
        if self._loader.ident is not None:
            self._loader.join()
        self.examination.stop()
        if self._dedup is not None:
            self._dedup.stop()
        self._workers.stop()
        for watching in (self._watch, self._drift):
            if watching is not None:
                watching.stop()
        if self._chores is not None:
            self._chores.stop()
        if self._engine is not None:
            self._engine.close()
            self._engine = None
        if self.tracing is not None:
            self.tracing.close()


async def _nothing_to_confirm(_: object) -> None:
    pass


async def _received(request: Request[Any, Any, Any], most: int, charge: Callable[[int], None]) -> bytes:
    # Not by Litestar's stream, which makes a dictionary of all headers and a generator for each body.
    # Zeros in front are allowed, and Python reads no number of thousands of digits.
    if int(_only(request, b"content-length").lstrip("0") or 0) > most:
        raise BodyTooLarge
    chunks, length, more = [], 0, True
    while more:
        event: Any = await request.receive()
        if event["type"] == "http.disconnect":
            raise ClientGone
        chunk, more = event.get("body", b""), event.get("more_body", False)
        length += len(chunk)
        if length > most:
            raise BodyTooLarge
        charge(len(chunk))
        chunks.append(chunk)
    return b"".join(chunks)


def _only(request: Request[Any, Any, Any], name: bytes) -> str:
    """The header's value; given twice, two readers of one request could disagree."""
    # The raw list: Litestar would build a dictionary of all headers for this one.
    values = [value for known, value in request.scope["headers"] if known == name]
    if len(values) > 1:
        raise InvalidParameter(f"the header {name.decode()} comes twice")
    return values[0].decode("latin-1") if values else ""
