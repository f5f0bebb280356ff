"""Keeps a gallery that several servers share in step with the record store.

The store numbers every change in the transaction that makes it, and keeps for each shared gallery the number
up to which it was fed. Any server feeds what is behind that number and then moves it on: a change is applied
at least once, and twice is without effect. Servers may feed side by side.
"""

from __future__ import annotations

import threading
from contextlib import suppress

from govid.errors import GalleryUnavailable
from govid.gallery.rebuild import rebuild
from govid.gallery.shared import SharedGallery


class GalleryFeeder:
    """Brings changes of the records to a shared gallery, on demand. Safe to call from several threads."""

    def __init__(self, shared: SharedGallery) -> None:
        """Fill the gallery if it is new.

        Where it cannot be reached, a later ``catch_up`` does so: a server verifies without its gallery.
        """
        self._shared = shared
        self._lock = threading.Lock()
        self._sequence: int | None = None
        self.left_out = 0
        """References left out of a gallery that was filled here, because another model made them."""
        with suppress(GalleryUnavailable):
            self.catch_up()

    def catch_up(self) -> int:
        """Feed all changes committed before this call that nobody has fed yet.

        A later search finds them. Costs one indexed look-up where there is none.

        Returns:
            Number of the last change that later searches cover.

        Raises:
            GalleryUnavailable: the rest is fed by a later call, here or elsewhere.
        """
        gallery, store = self._shared.gallery, self._shared.store
        with self._lock:
            if self._sequence is None:
                self._sequence = self._begin()
            for changes in self._shared.changes(self._sequence):
                # Searches of this server look at them from now on, whoever feeds them.
                gallery.expect([change.reference_id for change in changes if change.template])
                if any(change.template is None for change in changes):
                    gallery.recount()
                if (store.gallery_position(gallery.name) or 0) < changes[-1].sequence:
                    store.set_gallery_position(gallery.name, self._shared.refresh(changes))
                self._sequence = changes[-1].sequence
            return self._sequence

    def covered(self) -> int:
        """Number of the last change that some server fed."""
        return self._shared.store.gallery_position(self._shared.gallery.name) or 0

    def _begin(self) -> int:
        """Where this server starts to follow."""
        gallery = self._shared.gallery
        position = self._shared.store.gallery_position(gallery.name)
        if position is None:
            rebuilt = rebuild(self._shared)
            self.left_out = rebuilt.left_out
            return rebuilt.sequence
        # A lost one is not filled in the way of a request: it may take hours.
        gallery.count()
        return position

    def close(self) -> None:
        """Close the connection to the gallery, which goes on without this server."""
        self._shared.gallery.close()
