"""A record store with made-up templates, its gallery in the cluster, and an exact one to compare with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from govid import Settings, _core
from govid.audit import AuditRecord
from govid.gallery import Hit, Within
from govid.gallery.feeder import GalleryFeeder
from govid.gallery.shared import open_shared
from govid.profiles import active
from govid.store import NewReference
from govid.store.records import insert_subject
from govid.store.sqlite import SqliteStore
from govid.types import Template

AUDIT = AuditRecord(time=0, request_id="r", operation="enrol", outcome="ENROLLED")


class Registry:
    """What one server holds; several of the same settings share one store and one collection."""

    def __init__(self, settings: Settings) -> None:
        self.profile = active(settings)[0]
        self.store = SqliteStore(settings.database)
        self.shared = open_shared(settings, self.profile, self.store)
        self.gallery = self.shared.gallery
        self._feeder: GalleryFeeder | None = None
        self._random = np.random.default_rng(5)

    def feed(self) -> None:
        """As a server does at its start and before each search."""
        if self._feeder is None:
            self._feeder = GalleryFeeder(self.shared)
        self._feeder.catch_up()

    def unit(self, count: int) -> NDArray[np.float32]:
        """Random directions."""
        rows = self._random.normal(size=(count, self.profile.dimension)).astype(np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def enrol_many(self, count: int) -> None:
        """Subjects ``0``, ``1`` ... in one transaction."""
        with self.store.database.writing() as connection:
            for number, row in enumerate(self.unit(count)):
                new = NewReference(str(number), Template(self.profile.model_id, row), (), 0.0)
                assert insert_subject(connection, self.store.vault, new)

    def enrol(self, subject_id: str, embedding: NDArray[np.float32]) -> int:
        """Enrol a subject and do not tell the gallery; the id of its reference."""
        new = NewReference(subject_id, Template(self.profile.model_id, embedding), (), 0.0)
        self.store.add_subject(new, AUDIT, None, lambda *_: b"")
        return self.store.references(subject_id)[0].reference_id

    def delete(self, subject_id: str) -> None:
        """Delete a subject and do not tell the gallery."""
        self.store.delete_subject(subject_id, AUDIT, None, lambda _: b"")

    def embeddings(self) -> dict[int, NDArray[np.float32]]:
        """All that the records hold, by reference id."""
        return {i: template.embedding for i, template in self.store.all_templates()[1]}

    def exact(
        self,
        probes: NDArray[np.float32],
        k: int | None = None,
        threshold: float = -1.0,
        within: Within | None = None,
    ) -> list[list[Hit]]:
        """What is found if every reference is scored by the core."""
        held = {i: row for i, row in self.embeddings().items() if within is None or i in within}
        if not held:
            return [[] for _ in probes]
        rows = np.stack(list(held.values()))
        found = []
        for probe in probes:
            hits = [Hit(i, s) for i, s in zip(held, _core.cosine_many(probe, rows).tolist(), strict=True)]
            hits.sort(key=lambda hit: (-hit.score, hit.reference_id))
            found.append([hit for hit in hits if hit.score >= threshold][:k])
        return found

    def mated(self, count: int) -> NDArray[np.float32]:
        """Probes of the first references, a little beside them."""
        rows = np.stack(list(self.embeddings().values())[:count]) + 0.3 * self.unit(count)
        return np.ascontiguousarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))

    def close(self) -> None:
        """Close gallery and store."""
        self.gallery.close()
        self.store.close()


def ids(found: Sequence[Sequence[Hit]]) -> list[list[int]]:
    """The reference ids of each probe's hits."""
    return [[hit.reference_id for hit in hits] for hits in found]
