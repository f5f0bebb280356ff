"""Fills an empty collection from the record store and lets it take over."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from govid.errors import GalleryUnavailable
from govid.gallery.milvus import VISIBLE_SECONDS, MilvusGallery
from govid.gallery.shared import SharedGallery, blocks


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """The change the gallery stands at, and how many references another model made, which it lacks."""

    sequence: int
    left_out: int


def rebuild(shared: SharedGallery) -> Rebuilt:
    """Replay the record store. Searches and changes go on meanwhile, on the collection in use.

    Where two do this at once, the one that is ready first wins, and the other one fails.

    Raises:
        StoreUnavailable: the collection in use stays, or the new one took its place and may lack what changed
            in the last seconds: repeat it.
        GalleryUnavailable: the same, also if the cluster lost rows on the way.
    """
    spare = shared.gallery.spare()
    try:
        sequence, left_out = _filled(shared, spare)
        if shared.gallery.exists():
            # Servers that search already read bounded, and must see all from the first moment.
            time.sleep(VISIBLE_SECONDS)
        # What changed in these seconds went to the collection in use and is fed again: if this process dies
        # here, by the next server that starts.
        shared.store.set_gallery_position(shared.gallery.name, sequence)
        shared.gallery.change_over(spare)
    except BaseException:
        # It may be in use, where only the answer was lost: then it stays.
        spare.drop()
        raise
    # Before all else: servers that run move the position on, and nobody would feed it later.
    for changes in shared.changes(sequence):
        sequence = shared.refresh(changes)
    shared.gallery.drop_others(spare)
    shared.gallery.count()
    return Rebuilt(sequence, left_out)


def _filled(shared: SharedGallery, spare: MilvusGallery) -> tuple[int, int]:
    """Fill the spare collection: the change it stands at, and how many references were left out."""
    sequence, templates = shared.store.all_templates()
    filled = left_out = 0
    for block in blocks(templates):
        fitting = [(i, fitted) for i, template in block if (fitted := shared.fit(template))]
        left_out += len(block) - len(fitting)
        filled += len(fitting)
        if fitting:
            spare.add([i for i, _ in fitting], np.stack([t.embedding for _, t in fitting]))
    if (counted := spare.count()) != filled:
        raise GalleryUnavailable(f"of {filled} references the cluster kept {counted}")
    for changes in shared.changes(sequence):
        sequence = shared.refresh(changes, spare)
    return sequence, left_out
