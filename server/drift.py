"""Now and then a probe is compared with strangers, after its reply and in a thread of low priority."""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from contextlib import suppress

from govid.drift import DriftSampler
from govid.errors import GovidError
from govid.policy import UseCase
from govid.types import Template
from server.dedup import NICE
from server.metrics import Metrics

COMPARISONS = 32
"""References that a sampled probe is compared with. They share the probe: more tell little more."""
log = logging.getLogger("govid.server")


class DriftWatch:
    """Counts non-mated comparisons. Only counts leave it: no score, template or name is kept or logged."""

    def __init__(self, sampler: DriftSampler, metrics: Metrics, *, every_seconds: float) -> None:
        self._sampler = sampler
        self._metrics = metrics
        self._every = every_seconds
        self._due = 0.0
        self._waiting: queue.Queue[tuple[str, Template, UseCase] | None] = queue.Queue(maxsize=1)
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="govid-drift", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stopped = True
        with suppress(queue.Full):
            self._waiting.put_nowait(None)
        self._thread.join()

    def offer(self, subject: str, probe: Template, purpose: UseCase) -> None:
        """Take this probe if one is due; called by every verification, so that it only looks at the time."""
        if (now := time.monotonic()) < self._due:
            return
        self._due = now + self._every
        with suppress(queue.Full):
            self._waiting.put_nowait((subject, probe, purpose))

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while not self._stopped and (sample := self._waiting.get()) is not None:
            try:
                self._count(*sample)
            except GovidError as error:
                log.warning("no drift sample: %s: %s", error.slug, error.detail)
            except Exception:
                log.exception("no drift sample")

    def _count(self, subject: str, probe: Template, purpose: UseCase) -> None:
        found = self._sampler.compare(subject, probe, purpose, COMPARISONS)
        self._metrics.non_mated.labels(purpose.name).inc(found.comparisons)
        self._metrics.non_mated_matches.labels(purpose.name).inc(found.matches)
        for rate, count in found.above.items():
            self._metrics.non_mated_above.labels(purpose.name, f"{rate:g}").inc(count)
