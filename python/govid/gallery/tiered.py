"""The gallery within one process: segments of references, and over most of them what the tier builds.

    add, remove  ->  tail -> sealed segments, with codes from int8 on       at once
    build        ->  segments without removed rows, an index over them      in the background, swapped whole
    search       ->  the index, beside it the segments it does not cover    the best k of both

A search takes the lock for the moment in which it looks what there is, and then reads what never changes.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from govid.errors import GalleryUnavailable
from govid.gallery import (
    GalleryStats,
    Hit,
    Probes,
    Recall,
    Within,
    exact,
    int8,
    mapped,
    restricted,
    snapshot,
)
from govid.gallery.approximate import Index, Method
from govid.gallery.choose import METHODS, SMALLEST_INDEX, Plan, Rules, memory_bytes
from govid.gallery.found import Found, best, hits
from govid.gallery.recall import Yardstick
from govid.gallery.segments import SEGMENT_ROWS, Part, Segment, Tail, numbered, repacked, sealed
from govid.gallery.snapshot import Manifest
from govid.vault.vault import Vault

_GROWTH = 0.1
"""Part of the gallery that may come or go before the next build; it is compared one by one until then."""
_FIRST_RANGE = 64
_CLOSING_SECONDS = 5

log = logging.getLogger("govid.gallery")


@dataclass(frozen=True, slots=True)
class Built:
    """What the last build made; replaced whole."""

    plan: Plan
    index: Index | None = None
    recall: Recall | None = None
    at: float | None = None
    seconds: float = 0.0
    refused: str = ""
    unavailable: bool = False


@dataclass(frozen=True, slots=True)
class View:
    """What one search reads: the index, and the segments that it does not cover."""

    built: Built
    loose: Sequence[Part]

    @property
    def parts(self) -> list[Part]:
        """All segments, ascending."""
        return [*(self.built.index.parts if self.built.index else ()), *self.loose]


class TieredGallery:
    """``govid.gallery.Gallery`` in this process, in the tier that its rules say for its size."""

    def __init__(
        self,
        dimension: int,
        model_id: str,
        rules: Rules,
        folder: Path,
        *,
        segment_rows: int = SEGMENT_ROWS,
        vault: Vault | None = None,
    ) -> None:
        """An empty gallery.

        Args:
            folder: for vectors that do not fit into memory; it exists.
            vault: seals its snapshots; None: they lie in clear.
            segment_rows: how many references are sealed together; tests take few.
        """
        self.dimension, self.model_id = dimension, model_id
        self._rules, self._folder, self._rows, self._vault = rules, folder, segment_rows, vault
        self._built = Built(rules.plan(0, dimension))
        self._loose: tuple[Segment, ...] = ()
        self._tail = Tail.empty(dimension, segment_rows)
        # One build at a time, one writer at a time; the third lock guards what a search looks at.
        self._building, self._writing, self._looking = threading.Lock(), threading.Lock(), threading.Lock()
        # Ids removed while a build reads what was there before it.
        self._removed: list[int] | None = None
        self._attempted = 0
        self._settled = self._closed = self._disk_failed = False
        self._kept: tuple[int, float] | None = None
        self._builder: threading.Thread | None = None

    # --- writing ------------------------------------------------------------------------------------

    def add(self, reference_ids: Sequence[int], embeddings: NDArray[np.float32]) -> None:
        ids, first = np.unique(np.asarray(reference_ids, dtype=np.int64), return_index=True)
        with self._writing:
            new = ~self._present(ids)
            ids, vectors = ids[new], embeddings[first[new]]
            while len(ids):
                if not self._tail.room:
                    self._seal()
                room = self._tail.room
                with self._looking:
                    self._tail.add(ids[:room], vectors[:room])
                ids, vectors = ids[room:], vectors[room:]
        self._build_if_due()

    def remove(self, reference_ids: Sequence[int]) -> None:
        ids = np.unique(np.asarray(reference_ids, dtype=np.int64))
        with self._writing, self._looking:
            self._tail.remove(ids.tolist())
            for segment in self._loose:
                if len(rows := segment.rows_of(ids)):
                    segment.remove(rows)
            if self._built.index:
                self._built.index.remove(ids)
            if self._removed is not None:
                self._removed += ids.tolist()
        self._build_if_due()

    def _present(self, ids: NDArray[np.int64]) -> NDArray[np.bool_]:
        present = np.array([i in self._tail.row_of for i in ids.tolist()], dtype=np.bool_)
        for segment in self._sealed():
            if len(rows := segment.rows_of(ids)):
                present |= np.isin(ids, segment.ids[rows])
        return present

    def _sealed(self) -> list[Segment]:
        index = self._built.index
        return [*(part.segment for part in (index.parts if index else ())), *self._loose]

    def _seal(self) -> None:
        """Turn the tail into a segment while searches go on. The caller holds the writing lock."""
        segment = sealed(self._tail.view(), self._rows)
        plan = self._rules.plan(len(self), self.dimension)
        # The older ones, too: where memory runs short it must not wait for a build, which needs some itself.
        loose = (*self._loose, segment) if len(segment) else self._loose
        loose = tuple(self._prepared(one, plan) for one in loose)
        with self._looking:
            self._loose = loose
            self._tail = Tail.empty(self.dimension, self._rows)

    def _prepared(self, segment: Segment, plan: Plan, *, coded: bool = True) -> Segment:
        if coded and plan.tier != "exact" and segment.codes is None:
            segment = int8.coded(segment)
        if plan.on_disk and not isinstance(segment.vectors, np.memmap):
            segment = replace(segment, vectors=self._mapped(segment.vectors))
        return segment

    def _mapped(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """On disk, or where that is full in memory: what is enrolled must be found."""
        try:
            vectors = mapped.mapped(vectors, self._folder)
        except OSError as error:
            if not self._disk_failed:
                log.warning("vectors of the gallery stay in memory until its disk has room: %s", error)
            self._disk_failed = True
        else:
            self._disk_failed = False
        return vectors

    # --- searching ----------------------------------------------------------------------------------

    def search(
        self, probes: Probes, k: int, *, threshold: float = -1.0, within: Within | None = None
    ) -> list[list[Hit]]:
        view = self._view()
        return hits(view.parts, _find(view, probes, k, threshold, within))

    def range_search(
        self, probes: Probes, threshold: float, *, within: Within | None = None
    ) -> list[list[Hit]]:
        view = self._view()
        parts = view.parts
        total = sum(len(part.segment) for part in parts)
        found: list[list[Hit]] = [[] for _ in probes]
        k, unfinished = min(_FIRST_RANGE, total), np.arange(len(probes))
        while len(unfinished):
            looked = hits(parts, _find(view, probes[unfinished], k, threshold, within))
            for probe, mine in zip(unfinished, looked, strict=True):
                found[probe] = mine
            # Where all k places are taken, there may be more.
            unfinished = unfinished[[len(mine) == k < total for mine in looked]]
            k = min(4 * k, total)
        return found

    def _view(self) -> View:
        with self._looking:
            built, segments = self._built, [*self._loose, self._tail.view()]
        if built.unavailable:
            raise GalleryUnavailable(built.refused)
        covered = built.index.rows if built.index else 0
        parts = numbered(segment for segment in segments if len(segment))
        return View(built, [Part(start + covered, segment) for start, segment in parts])

    # --- building -----------------------------------------------------------------------------------

    def settle(self) -> None:
        self._settled = True
        if self._due():
            self.build()

    def build(self) -> None:
        """Bring the gallery into the tier of its size without what was removed, while searches go on."""
        with self._building:
            start = time.monotonic()
            with self._writing:
                self._seal()
                before, self._removed = self._sealed(), []
                self._attempted = sum(segment.live for segment in before)
            try:
                built, segments = self._made(before)
                built = replace(built, at=time.time(), seconds=time.monotonic() - start)
                with self._writing, self._looking:
                    self._swap(built, segments, since=self._sealed()[len(before) :])
            finally:
                with self._writing:
                    self._removed = None

    def _swap(self, built: Built, segments: list[Segment], since: list[Segment]) -> None:
        """Let searches see what was built, without what was removed meanwhile."""
        removed = np.unique(np.array(self._removed, dtype=np.int64))
        for segment in segments:
            # Some share their flags with the segments of before, where they are cleared already.
            segment.remove(segment.rows_of(removed))
        if built.index:
            # It numbers the rows of these very segments.
            built = replace(built, index=replace(built.index, parts=numbered(segments)))
        self._built, self._loose = built, (*(() if built.index else segments), *since)

    def _made(self, before: list[Segment]) -> tuple[Built, list[Segment]]:
        """The segments packed anew and, where the plan has one, an index over them."""
        held = self._attempted
        plan = self._rules.plan(held, self.dimension)
        method = METHODS.get(plan.tier)
        indexed = method is not None and held >= SMALLEST_INDEX
        # Codes make the comparison with everybody faster, and are what remains where the index is refused.
        spare = self._rules.budget - plan.memory_bytes
        coded = not indexed or spare >= held * self.dimension
        segments = [self._prepared(s, plan, coded=coded) for s in repacked(before, self._rows)]
        if method is None or not indexed:
            return Built(plan), segments
        index, recall = self._measured(method, numbered(segments))
        if recall.recall_at_1 >= self._rules.floor:
            return Built(plan, index, recall), [replace(segment, codes=None) for segment in segments]
        reason = (
            f"{plan.tier} found {recall.recall_at_1:.2%} of {recall.probes} mates, "
            f"less than the floor of {self._rules.floor:.2%}"
        )
        log.warning("%s: it does not serve; every reference is compared where memory allows", reason)
        if memory_bytes("int8", held, self.dimension, on_disk=plan.on_disk) > self._rules.budget:
            return Built(plan, refused=reason, unavailable=True), segments
        return Built(replace(plan, tier="int8"), refused=reason), [self._prepared(s, plan) for s in segments]

    def _measured(self, method: Method, parts: list[Part]) -> tuple[Index, Recall]:
        """An index, and its recall by the least effort that leaves half of the allowed misses as a margin."""
        index = Index(method, method.build(parts, self.dimension), parts, effort=1)
        threshold = self._rules.threshold_at(index.rows)
        yardstick = Yardstick(parts, partial(_everybody, parts, threshold=-1.0), threshold)
        for effort in method.efforts(index.faiss):
            index.effort = effort
            recall = yardstick.measure(index.search)
            if 1 - recall.recall_at_1 <= (1 - self._rules.floor) / 2:
                break
        return index, recall

    def _due(self) -> bool:
        with self._looking:
            built, segments = self._built, [*self._sealed(), self._tail.view()]
            dead = sum(segment.dead for segment in segments)
            held = sum(segment.live for segment in segments)
        limit = max(self._rows, _GROWTH * self._attempted)
        if dead > limit:
            return True
        plan = self._rules.plan(held, self.dimension)
        if plan.tier in METHODS:
            return held >= SMALLEST_INDEX and (not self._attempted or abs(held - self._attempted) > limit)
        now = built.plan
        return (plan.tier, plan.on_disk) != (now.tier, now.on_disk) and held - self._attempted > limit

    def _build_if_due(self) -> None:
        if not self._settled or self._closed or self._building.locked() or not self._due():
            return
        with self._writing:
            if self._builder is None or not self._builder.is_alive():
                # A daemon: an exit does not wait for an index that nobody will use.
                self._builder = threading.Thread(target=self._build_quietly, name="govid-build", daemon=True)
                self._builder.start()

    def _build_quietly(self) -> None:
        try:
            self.build()
        except Exception:
            # Whatever it was, searches go on as before, and growth brings the next attempt.
            log.exception("the gallery could not be built anew")

    # --- keeping ------------------------------------------------------------------------------------

    def snapshot(self, folder: Path, sequence: int, head: Callable[[], tuple[int, str]]) -> None:
        with self._looking:
            built, loose, tail = self._built, self._loose, self._tail.view()
        index = built.index
        about = Manifest(
            tier=built.plan.tier,
            model_id=self.model_id,
            dimension=self.dimension,
            sequence=sequence,
            built_at=built.at,
            segments=(),
            effort=index.effort if index else 0,
            recall=built.recall,
        )
        covered = [part.segment for part in index.parts] if index else []
        loose = (*loose, sealed(tail, self._rows))
        snapshot.write(folder, about, covered, loose, index.faiss if index else None, head, self._vault)
        self._kept = (sequence, time.time())

    def _space(self, rows: int) -> NDArray[np.float32]:
        """Room for the vectors of a sealed snapshot, where the plan has them."""
        if self._rules.plan(rows, self.dimension).on_disk:
            return mapped.space((rows, self.dimension), self._folder)
        return np.empty((rows, self.dimension), np.float32)

    def load(self, folder: Path, holds: Callable[[int, str], bool]) -> int | None:
        kept = snapshot.read(folder, self.model_id, self.dimension, holds, self._vault, self._space)
        if kept is None:
            return None
        manifest, segments, index, written_at = kept
        held = sum(segment.live for segment in segments)
        plan = self._rules.plan(held, self.dimension)
        if not plan.on_disk and any(isinstance(segment.vectors, np.memmap) for segment in segments):
            segments = [replace(segment, vectors=np.array(segment.vectors)) for segment in segments]
        built = Built(plan, at=manifest.built_at)
        covered: list[Segment] = []
        recall = manifest.recall
        # An index of another tier, or below a floor that has risen since, is built anew by ``settle``.
        if index and recall and plan.tier == manifest.tier and recall.recall_at_1 >= self._rules.floor:
            covered, segments = segments[: manifest.covered], segments[manifest.covered :]
            method = METHODS[plan.tier]
            built = replace(
                built, index=Index(method, index, numbered(covered), manifest.effort), recall=recall
            )
            self._attempted = sum(segment.live for segment in covered)
        loose = tuple(self._prepared(segment, plan) for segment in repacked(segments, self._rows))
        with self._writing, self._looking:
            self._built, self._loose = built, loose
        self._kept = (manifest.sequence, written_at)
        return manifest.sequence

    def stats(self) -> GalleryStats:
        with self._looking:
            built, loose, tail = self._built, self._loose, self._tail.view()
        index = built.index
        segments = [*(part.segment for part in (index.parts if index else ())), *loose, tail]
        mapped_bytes = sum(s.vectors.nbytes for s in segments if isinstance(s.vectors, np.memmap))
        pending = sum(segment.live for segment in (*loose, tail))
        return GalleryStats(
            tier=built.plan.tier,
            references=sum(segment.live for segment in segments),
            dimension=self.dimension,
            memory_bytes=sum(s.memory_bytes for s in segments) + (index.memory_bytes if index else 0),
            disk_bytes=mapped_bytes,
            pending=pending if built.plan.tier in METHODS else 0,
            building=self._building.locked(),
            built_at=built.at,
            build_seconds=built.seconds,
            recall=built.recall,
            refused=built.refused,
            snapshot_sequence=self._kept[0] if self._kept else None,
            snapshot_at=self._kept[1] if self._kept else None,
        )

    def ping(self) -> None:
        self._view()

    def close(self) -> None:
        self._closed = True
        if self._builder is not None:
            self._builder.join(_CLOSING_SECONDS)

    def __len__(self) -> int:
        with self._looking:
            return sum(segment.live for segment in (*self._sealed(), self._tail.view()))


def _find(view: View, probes: Probes, k: int, threshold: float, within: Within | None) -> Found:
    """The best of the index and of all that it does not cover."""
    if not len(probes) or k < 1:
        return Found.nothing(len(probes))
    index = view.built.index
    if within is not None:
        found = restricted.search(index, view.loose, probes, k, threshold, within)
    else:
        compared = _everybody(view.loose, probes, k, threshold)
        found = best([compared, index.search(probes, k)], k) if index else compared
    return found.reaching(threshold)


def _everybody(parts: Sequence[Part], probes: Probes, k: int, threshold: float) -> Found:
    """The best of all rows, by codes where there are some."""
    plain = [part for part in parts if part.segment.codes is None]
    coded = [part for part in parts if part.segment.codes is not None]
    return best([exact.search(plain, probes, k, threshold), int8.search(coded, probes, k, threshold)], k)
