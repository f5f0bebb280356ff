"""A gallery that several servers share, with the record store that it copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from govid.config import Settings
from govid.gallery.milvus import MilvusGallery, collection_name
from govid.profiles import Profile, reduced
from govid.store import Change, Store, migration
from govid.types import Template

_BATCH = 8192


@dataclass(frozen=True, slots=True)
class SharedGallery:
    """``fit`` gives the template in the gallery's format, None if it cannot be had."""

    gallery: MilvusGallery
    store: Store
    fit: Callable[[Template], Template | None]

    def changes(self, after: int) -> Iterator[list[Change]]:
        """What changed behind that change, in batches."""
        while changes := self.store.changes(after=after, limit=_BATCH):
            yield changes
            after = changes[-1].sequence

    def refresh(self, changes: Sequence[Change], gallery: MilvusGallery | None = None) -> int:
        """Bring these changes to the gallery, or to another one of the same store; the last one."""
        (gallery or self.gallery).refresh(sorted({change.reference_id for change in changes}))
        return changes[-1].sequence


def open_shared(settings: Settings, profile: Profile, store: Store) -> SharedGallery:
    """The shared gallery of the templates of a profile. Nothing is sent yet.

    Raises:
        InvalidSettings: the token file cannot be read.
    """

    def fit(template: Template) -> Template | None:
        return reduced(template, profile)

    def embeddings(reference_ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        held = store.templates_by_id(reference_ids)
        return {i: fitted.embedding for i, template in held.items() if (fitted := fit(template))}

    with store.database.reading() as connection:
        flips = migration.flips(connection)
    # A collection from before another model took over may lack what came by its templates since.
    identity = f"{store.identity} {flips}" if flips else store.identity
    name = collection_name(profile.model_id, identity)
    return SharedGallery(MilvusGallery(settings, profile.dimension, name, embeddings), store, fit)


def blocks(templates: Iterator[tuple[int, Template]]) -> Iterator[list[tuple[int, Template]]]:
    """References in blocks that fit into memory."""
    while block := list(islice(templates, _BATCH)):
        yield block
