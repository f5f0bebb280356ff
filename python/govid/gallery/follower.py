"""Keeps a gallery in step with the record store, whichever process wrote to it."""

from __future__ import annotations

import threading
from itertools import islice

import numpy as np

from govid.gallery import Gallery
from govid.store import Store

_BATCH = 8192


class GalleryFollower:
    """Fills a gallery from the store at start and applies what changed since, on demand."""

    def __init__(self, gallery: Gallery, store: Store, model_id: str) -> None:
        """Load every reference of the model."""
        self._gallery = gallery
        self._store = store
        self._model_id = model_id
        self._lock = threading.Lock()
        self._sequence, templates = store.all_templates(model_id)
        while batch := list(islice(templates, _BATCH)):
            gallery.add([i for i, _ in batch], np.stack([template.embedding for _, template in batch]))

    def catch_up(self) -> None:
        """Apply all changes committed before this call. Costs one indexed look-up where there is none."""
        with self._lock:
            for change in self._store.changes(after=self._sequence):
                if change.template is None:
                    self._gallery.remove([change.reference_id])
                elif change.template.model_id == self._model_id:
                    self._gallery.add([change.reference_id], change.template.embedding[None])
                self._sequence = change.sequence
