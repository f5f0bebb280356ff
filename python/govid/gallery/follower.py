"""Keeps a gallery in step with the record store, whichever process wrote to it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np

from govid.errors import GalleryUnavailable, GovidError
from govid.gallery import Gallery, snapshot
from govid.store import Change, Store
from govid.types import Template

_BATCH = 8192
SNAPSHOT_REFERENCES = 100_000
"""References from which on a snapshot starts a gallery sooner than the store does."""
FORGET_SECONDS = 600.0
"""Seconds after which a snapshot no longer holds a face that was removed."""
_SNAPSHOT_CHANGES = 1000
"""Changes that are worth a new snapshot when the gallery closes."""

log = logging.getLogger("govid.gallery")


class GalleryFollower:
    """Fills a gallery from a snapshot or the store at start and applies what changed since, on demand."""

    def __init__(
        self,
        gallery: Gallery,
        store: Store,
        fit: Callable[[Template], Template | None],
        folder: Path | None = None,
        *,
        snapshot_references: int = SNAPSHOT_REFERENCES,
    ) -> None:
        """Load every reference that fits.

        Args:
            fit: the template in the gallery's format, None if it cannot be had.
            folder: where snapshots lie; None: there are none.
            snapshot_references: the least size of a gallery that is worth one.
        """
        self._gallery = gallery
        self._store = store
        self._fit = fit
        # By store: a replaced store finds no snapshot of its predecessor.
        self._folder = folder and folder / store.identity
        self._snapshot_references = snapshot_references
        self._lock = threading.Lock()
        self._snapshots = threading.Lock()
        self._writer: threading.Thread | None = None
        self._kept: int | None = None
        self._forgetting: threading.Timer | None = None
        self._removed_since = False  # the snapshot on disk was begun
        self.left_out = 0
        """References found at start that no search covers, because another model made them."""
        # Once the store has it no more, it was restored, and this gallery has what the store never had.
        self._head = store.audit_head()
        last, templates = store.all_templates()
        at = gallery.load(self._folder, store.has_audit) if self._folder else None
        self._sequence = last if at is None else at
        self._kept, self._kept_build = at, gallery.stats().built_at
        if at is None:
            while batch := list(islice(templates, _BATCH)):
                fitting = [(i, fitted) for i, template in batch if (fitted := fit(template))]
                self.left_out += len(batch) - len(fitting)
                if fitting:
                    gallery.add([i for i, _ in fitting], np.stack([t.embedding for _, t in fitting]))
        self.catch_up()
        gallery.settle()
        if at is not None:
            self.left_out = max(0, store.active_references() - len(gallery))
        self._keep_if_due()

    def catch_up(self) -> int:
        """Apply all changes committed before this call. Costs one indexed look-up where there is none.

        Returns:
            Number of the last change applied.
        """
        with self._lock:
            while changes := self._store.changes(after=self._sequence, limit=_BATCH):
                self._apply(changes)
                self._sequence = changes[-1].sequence
                if self._store.has_audit(*self._head):
                    self._head = self._store.audit_head()
                self._keep_if_due()
            return self._sequence

    def covered(self) -> int:
        """Number of the last change that searches cover, after what is behind it was brought in."""
        return self.catch_up()

    def _apply(self, changes: Sequence[Change]) -> None:
        # Every change of a reference shows it as it is now, so that their order does not matter.
        gone = [change.reference_id for change in changes if change.template is None]
        if gone:
            self._removed_since = True
            self._gallery.remove(gone)
            self._forget_soon()
        come = {c.reference_id: fitted for c in changes if c.template and (fitted := self._fit(c.template))}
        if come:
            self._gallery.add(list(come), np.stack([fitted.embedding for fitted in come.values()]))

    def _keep_if_due(self) -> None:
        """Begin a snapshot in the background where the gallery was built since the last one."""
        if self._folder is None or (self._writer is not None and self._writer.is_alive()):
            return
        built_at = self._gallery.stats().built_at
        if len(self._gallery) < self._snapshot_references or (
            self._kept is not None and built_at == self._kept_build
        ):
            return
        self._kept_build = built_at
        self._writer = threading.Thread(target=self._keep, name="govid-snapshot", daemon=True)
        self._writer.start()

    def _forget_soon(self) -> None:
        """See to it that no snapshot holds for long what was removed, whether searches come or not."""
        snapshots = self._kept is not None or self._writer is not None
        if self._folder is not None and snapshots and self._forgetting is None:
            self._forgetting = threading.Timer(FORGET_SECONDS, self._forget)
            self._forgetting.daemon = True
            self._forgetting.start()

    def _forget(self) -> None:
        assert self._folder is not None
        # Whatever is removed from here on has a timer of its own.
        self._forgetting = None
        if len(self._gallery) < self._snapshot_references or not self._keep():
            with self._snapshots:
                snapshot.delete(self._folder)
                self._kept = None

    def _keep(self) -> bool:
        """Write a snapshot; whether that went well."""
        assert self._folder is not None
        with self._snapshots:
            with self._lock:
                sequence, removed, self._removed_since = self._sequence, self._removed_since, False
            try:
                self._gallery.snapshot(self._folder, sequence, self._current_head)
                self._kept = sequence
                return True
            except (OSError, GovidError) as error:
                self._removed_since |= removed
                log.warning("no snapshot of the gallery was written, the next start takes longer: %s", error)
                return False

    def _current_head(self) -> tuple[int, str]:
        head = self._store.audit_head()
        if not self._store.has_audit(*self._head):
            raise GalleryUnavailable("the store was restored while this server ran: start it anew")
        return head

    def close(self) -> None:
        """Keep what changed, where the next start gains by it, and close the gallery.

        No face that was removed stays in a snapshot.
        """
        if self._forgetting is not None:
            self._forgetting.cancel()
        if self._writer is not None:
            self._writer.join()
        changed = self._kept is None or self._sequence - self._kept >= _SNAPSHOT_CHANGES
        if self._folder:
            if (changed or self._removed_since) and len(self._gallery) >= self._snapshot_references:
                self._keep()
            if self._removed_since:
                snapshot.delete(self._folder)
        self._gallery.close()
