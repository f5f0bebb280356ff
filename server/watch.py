"""A look at the dependencies every few seconds, for the metrics: nothing waits for a scrape."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from contextlib import suppress
from pathlib import Path

from cryptography import x509

from govid.errors import GovidError
from govid.pipeline import Engine
from govid.store.keys import KeyStore
from govid.store.vitals import vitals
from server.health import Dependencies
from server.memory import Residue
from server.metrics import Metrics
from server.settings import ServerSettings

LOOK_SECONDS = 10.0
PATIENCE_SECONDS = 2.0
log = logging.getLogger("govid.server")


class Watch:
    """One thread that brings the gauges up to date."""

    def __init__(
        self, engine: Engine, dependencies: Dependencies, metrics: Metrics, server: ServerSettings
    ) -> None:
        self._engine = engine
        self._dependencies = dependencies
        self._metrics = metrics
        self._certificate = server.tls_certificate
        self._announces = bool(server.webhook_url)
        self._residue = Residue()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="govid-watch", daemon=True)
        metrics.checkpoint_seconds.set(server.audit_checkpoint_seconds)

    def start(self) -> None:
        """Look for the first time, and then every ``LOOK_SECONDS``."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End. A look that hangs at a dependency is not waited for."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=PATIENCE_SECONDS)

    def look(self) -> None:
        """Bring all gauges up to date. What cannot be read keeps its last value."""
        metrics = self._metrics
        start = time.perf_counter()
        with suppress(GovidError):
            self._engine.store.ping()
            metrics.store_ping.set(time.perf_counter() - start)
        checks = self._dependencies.look()
        for check in checks:
            metrics.dependency.labels(check.name).set(check.problem is None)
        for use_case in self._engine.use_cases.all():
            metrics.allowed_fmr.labels(use_case.name).set(use_case.fmr)
        metrics.ready.set(not any(check.problem and check.vital for check in checks))
        usage = shutil.disk_usage(self._engine.settings.data_dir)
        metrics.disk_free.set(usage.free)
        metrics.disk_size.set(usage.total)
        with suppress(GovidError):
            self._look_at_records()
        with suppress(GovidError):
            metrics.gallery_lag.set(self._engine.gallery_lag())
        with suppress(OSError, ValueError):
            self._look_at_certificate()
        metrics.looked.set(time.time())

    def _look_at_records(self) -> None:
        metrics, database, now = self._metrics, self._engine.store.database, time.time()
        found = vitals(database)
        metrics.unsigned_rows.set(found.unsigned_rows)
        metrics.unsigned_seconds.set(_age(found.unsigned_since, now))
        if self._announces:  # they wait for ever where nobody is to be told
            metrics.webhook_waiting.set(found.notifications_waiting)
            metrics.webhook_seconds.set(_age(found.notifications_since, now))
        ends = [
            key.expires_at
            for key in KeyStore(database).all()
            if key.state == "active" and key.expires_at is not None
        ]
        if ends:
            metrics.expiry.labels("api_key").set(min(ends))
        else:
            metrics.expiry.remove("api_key")

    def _look_at_certificate(self) -> None:
        # The file, not what was loaded: renewed and not yet loaded, it is the supervisor's to restart.
        if self._certificate:
            certificate = x509.load_pem_x509_certificate(Path(self._certificate).read_bytes())
            self._metrics.expiry.labels("certificate").set(certificate.not_valid_after_utc.timestamp())

    def _run(self) -> None:
        while not self._stop.wait(LOOK_SECONDS):
            self._look()
            self._residue.give_back()

    def _look(self) -> None:
        try:
            self.look()
        except Exception:
            log.exception("the dependencies could not be looked at")


def _age(since: float | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since)
