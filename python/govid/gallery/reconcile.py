"""Compares the ids of a shared gallery with those of the record store, and mends the gallery."""

from __future__ import annotations

import hashlib
from itertools import chain

import msgspec
import numpy as np

from govid.gallery.shared import SharedGallery, blocks

_LAST_ID = 2**63 - 1


class Reconciliation(msgspec.Struct, frozen=True, kw_only=True):
    """What was found. Digests are of the ascending ids: equal if and only if the ids are."""

    references: int
    rows: int
    counted: int
    """What the cluster counts: more than ``rows`` if it holds an id twice."""
    references_digest: str
    rows_digest: str
    missing: int
    surplus: int
    left_out: int
    repaired: bool


def reconcile(shared: SharedGallery, *, repair: bool) -> Reconciliation:
    """Look for references that have no row in the gallery, and for rows without a reference.

    A reference never changes, so its id is enough. All ids of both sides are read, block by block. Others may
    write meanwhile: what differs is looked at again.

    Args:
        repair: add what is missing and remove what is surplus.

    Raises:
        StoreUnavailable, GalleryUnavailable.
    """
    gallery = shared.gallery
    left_out = missing = surplus = references = rows = 0
    references_digest, rows_digest = hashlib.sha256(), hashlib.sha256()
    low = -1
    _, templates = shared.store.all_templates()
    for block in chain(blocks(templates), [[]]):
        high = block[-1][0] if block else _LAST_ID
        expected = np.array([i for i, template in block if shared.fit(template)], dtype=np.int64)
        left_out += len(block) - len(expected)
        present = gallery.ids(low, high)
        low = high
        differing = np.setxor1d(expected, present, assume_unique=True).tolist()
        held, there = set(gallery.embeddings(differing)), gallery.present(differing)
        agreed = np.intersect1d(expected, present, assume_unique=True)
        for digest, more in ((references_digest, held), (rows_digest, there)):
            ids = np.union1d(agreed, np.array(sorted(more), dtype=np.int64))
            digest.update(ids.astype("<i8").tobytes())
        references += len(agreed) + len(held)
        rows += len(agreed) + len(there)
        missing += len(held - there)
        surplus += len(there - held)
        if repair:
            gallery.refresh(sorted(held ^ there))
    return Reconciliation(
        references=references,
        rows=rows,
        counted=gallery.count(),
        references_digest=references_digest.hexdigest()[:16],
        rows_digest=rows_digest.hexdigest()[:16],
        missing=missing,
        surplus=surplus,
        left_out=left_out,
        repaired=repair,
    )
