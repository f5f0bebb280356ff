"""Judges verifications once more with the new model, after their replies and without any effect on them.

Nothing about a person is kept: outcomes are counted by use case.
"""

from __future__ import annotations

import logging
import math
import os
import queue
import sys
import threading
import time
from dataclasses import dataclass

from govid import policy, score
from govid.errors import GovidError
from govid.migration.models import SecondModel
from govid.profiles import reduced
from govid.store import Store, migration, shadow
from govid.store.shadow import Pair, Sums
from govid.types import Image

MOST_WAITING = 32
"""More are dropped: a busy server answers first."""
FLUSH_SECONDS = 1.0
# It computes where a core has nothing else to do.
NICE = 19
log = logging.getLogger("govid.migration")


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A verification that the new model judges, too. ``old``: what was answered."""

    migration_id: int
    model: SecondModel
    crop: Image
    subject_id: str
    purpose: policy.UseCase
    old: policy.Judgement


class ShadowJudge:
    """One thread of low priority, which begins with the first offer."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._waiting: queue.Queue[Shadowed | None] = queue.Queue(MOST_WAITING)
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._counted: dict[int, dict[Pair, Sums]] = {}

    def offer(self, one: Shadowed) -> None:
        """Take one on, unless too many wait."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="govid-shadow", daemon=True)
                self._thread.start()
        try:
            self._waiting.put_nowait(one)
        except queue.Full:
            log.debug("a shadow comparison was dropped")

    def close(self) -> None:
        """Finish what waits."""
        if self._thread is not None:
            self._waiting.put(None)
            self._thread.join()

    def _run(self) -> None:
        if sys.platform == "linux":  # elsewhere this would be the priority of the whole process
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        due, ended = math.inf, False
        while not ended:
            try:
                one = self._waiting.get(timeout=max(0.0, due - time.monotonic()) if self._counted else None)
                ended = one is None
                if one is not None:
                    if not self._counted:
                        due = time.monotonic() + FLUSH_SECONDS
                    self._judge(one)
            except queue.Empty:
                pass
            except GovidError as error:
                log.warning("a shadow comparison failed: %s: %s", error.slug, error.detail)
            except Exception:
                log.exception("a shadow comparison failed")
            if self._counted and (ended or time.monotonic() >= due):
                self._flush()

    def _judge(self, one: Shadowed) -> None:
        profile = one.model.profiles.get(one.purpose.profile or one.model.profile.name)
        if profile is None:
            return
        not_before = policy.oldest_reference(one.purpose, time.time())
        with self._store.database.reading() as connection:
            held = shadow.candidates(connection, self._store.vault, one.subject_id, not_before)
        known = [fitted for template in held if (fitted := reduced(template, profile))]
        probe = reduced(one.model.embed(one.crop), profile) if known else None
        if probe is None:
            return
        highest = float(score.compare_many(probe, known).max())
        new = policy.decide(highest, len(known), one.purpose, one.model.calibrations[profile.name])
        pair = Pair(one.purpose.name, one.old.decision.value, new.decision.value)
        counted = self._counted.setdefault(one.migration_id, {})
        before = counted.get(pair, Sums(0, 0.0, 0.0, 0.0, 0.0))
        counted[pair] = Sums(
            before.compared + 1,
            before.old_score + one.old.score,
            before.new_score + new.score,
            before.old_log_fmr + math.log10(one.old.fmr_at_score),
            before.new_log_fmr + math.log10(new.fmr_at_score),
        )

    def _flush(self) -> None:
        counted, self._counted = self._counted, {}
        try:
            with self._store.database.writing() as connection:
                now = migration.current(connection)
                for migration_id, outcomes in counted.items():
                    if now is not None and now.migration_id == migration_id:
                        shadow.count(connection, migration_id, outcomes)
        except GovidError as error:
            log.warning("shadow comparisons were not counted: %s: %s", error.slug, error.detail)
