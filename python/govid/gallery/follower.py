"""Keeps a gallery in step with the record store, whichever process wrote to it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import islice

import numpy as np

from govid.gallery import Gallery
from govid.store import Store
from govid.types import Template

_BATCH = 8192


class GalleryFollower:
    """Fills a gallery from the store at start and applies what changed since, on demand."""

    def __init__(self, gallery: Gallery, store: Store, fit: Callable[[Template], Template | None]) -> None:
        """Load every reference that fits.

        Args:
            fit: the template in the gallery's format, None if it cannot be had.
        """
        self._gallery = gallery
        self._store = store
        self._fit = fit
        self._lock = threading.Lock()
        self.left_out = 0
        """References found at start that no search covers, because another model made them."""
        self._sequence, templates = store.all_templates()
        while batch := list(islice(templates, _BATCH)):
            fitting = [(i, fitted) for i, template in batch if (fitted := fit(template))]
            self.left_out += len(batch) - len(fitting)
            if fitting:
                gallery.add([i for i, _ in fitting], np.stack([t.embedding for _, t in fitting]))

    def catch_up(self) -> int:
        """Apply all changes committed before this call. Costs one indexed look-up where there is none.

        Returns:
            Number of the last change applied.
        """
        with self._lock:
            while changes := self._store.changes(after=self._sequence, limit=_BATCH):
                for change in changes:
                    if change.template is None:
                        self._gallery.remove([change.reference_id])
                    elif fitted := self._fit(change.template):
                        self._gallery.add([change.reference_id], fitted.embedding[None])
                    self._sequence = change.sequence
            return self._sequence
