"""The gallery in a Milvus cluster, which the servers of one record store share.

Milvus proposes, the record store decides: a search asks for many more candidates than it wants, and our core
scores them from the embeddings in the record store. So a score is exact, a tie falls as anywhere else,
and a deleted or damaged row that the cluster still holds is never a hit. What an index overlooks stays
overlooked.

Milvus shows a write to bounded reads only after some seconds. Until then the references that changed are
candidates of every search, so that a search finds what was enrolled before it and need not wait.
"""

from __future__ import annotations

import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

# pymilvus reads a file `.env` of any folder above it into the environment, where the next process would find
# settings that nobody gave it.
os.environ["PYTHON_DOTENV_DISABLED"] = "1"

import grpc
import numpy as np
from numpy.typing import NDArray
from pymilvus import DataType, MilvusClient, MilvusException

from govid import _core
from govid.config import Settings
from govid.errors import GalleryUnavailable, InvalidSettings
from govid.gallery import GalleryStats, Hit, Probes, Within
from govid.gallery.recent import RecentIds

# It logs each failed attempt with a traceback; ours ends as one error with its reason.
logging.getLogger("pymilvus").setLevel(logging.CRITICAL)

Ids: TypeAlias = NDArray[np.int64]

Embeddings: TypeAlias = Callable[[Sequence[int]], dict[int, NDArray[np.float32]]]
"""The embeddings of those of these references that the record store holds as active, by id."""

VISIBLE_SECONDS = 10.0
"""A write is seen by bounded reads after this time: twice the default of Milvus's ``common.gracefulTime``."""

RECENT_SECONDS = 3 * VISIBLE_SECONDS
"""Longer, so that what changes while a rebuilt collection takes over is looked at all the time."""

PATIENCE_SECONDS = 5.0
"""How long a request waits for a cluster that does not answer."""

_PING_SECONDS = 2.0
_GLANCE_SECONDS = 0.5
_LOAD_SECONDS = 120.0
_COUNT_SECONDS = 60.0
# Of Milvus: the most rows of one answer.
_MOST = 16_384
# Recall grows with the candidates; 200 are re-scored in about a millisecond.
_OVERFETCH, _LEAST_CANDIDATES = 4, 200
_MOST_RECENT = 4096
_PROBES_AT_ONCE = 64
_IDS_AT_ONCE = 4096
_ROWS_AT_ONCE = 8192
# Kafka takes messages of 1 MB by default.
_UPSERT_BYTES = 512 * 1024
_NOT_FOUND = 100
# Asks a query node of each shard for nothing.
_PING = MappingProxyType({"filter": "id == 0", "output_fields": ["id"], "consistency_level": "Bounded"})
# M 16 and 200 are Milvus's own advice; 128 lists keep lists of a small segment above 100 rows.
_BUILD = MappingProxyType({"FLAT": {}, "HNSW": {"M": 16, "efConstruction": 200}, "IVF_SQ8": {"nlist": 128}})
# How far a score in the cluster may lie from ours: rounding of sums, and of codes of eight bits.
_SLACK = MappingProxyType({"FLAT": 1e-4, "HNSW": 1e-4, "IVF_SQ8": 0.02})


def collection_name(model_id: str, store_identity: str) -> str:
    """One collection per model and record store; letters, digits and underscores, at most 96."""
    readable = re.sub(r"[^0-9A-Za-z]+", "_", model_id)[:64]
    digest = hashlib.sha256(f"{model_id}\0{store_identity}".encode()).hexdigest()
    return f"govid_{readable}_{digest[:16]}"


class MilvusGallery:
    """``govid.gallery.Gallery`` as a collection of a Milvus cluster.

    ``name`` is an alias, so that a rebuild fills another collection and changes over at once. All rows are
    upserted and deleted by their id: repeating a write is without effect.
    """

    def __init__(
        self,
        settings: Settings,
        dimension: int,
        name: str,
        embeddings: Embeddings,
        *,
        collection: str | None = None,
    ) -> None:
        """Nothing is sent before the first use: a server starts without its cluster.

        Args:
            dimension: length of an embedding.
            name: of ``collection_name``.
            embeddings: reads the record store.
            collection: the one behind the alias to work on, instead of the alias.

        Raises:
            InvalidSettings: the token file cannot be read.
        """
        self.name = name
        self._settings = settings
        self._dimension = dimension
        self.embeddings = embeddings
        self._collection = collection or name
        self._token = _token(settings.gallery_token_file)
        self._client: MilvusClient | None = None
        self._references = 0
        self._counted_at = -np.inf
        self._recent = RecentIds(RECENT_SECONDS)
        # What others wrote before this server began to look is not among the recent ids.
        self._strong_until = np.inf
        self._away = ""

    # --- the protocol -------------------------------------------------------------------------------

    def add(self, reference_ids: Sequence[int], embeddings: NDArray[np.float32]) -> None:
        self.expect(reference_ids)
        rows = max(1, _UPSERT_BYTES // (4 * self._dimension))
        for start in range(0, len(reference_ids), rows):
            data = [
                {"id": int(reference_id), "embedding": embedding}
                for reference_id, embedding in zip(
                    reference_ids[start : start + rows], embeddings[start : start + rows], strict=True
                )
            ]
            self._call(MilvusClient.upsert, self._collection, data)

    def remove(self, reference_ids: Sequence[int]) -> None:
        """Remove rows from the cluster. What the record store does not hold is no hit before that."""
        for some in _parts([int(reference_id) for reference_id in reference_ids], _IDS_AT_ONCE):
            self._call(MilvusClient.delete, self._collection, ids=some)
            self.recount()

    def search(
        self, probes: Probes, k: int, *, threshold: float = -1.0, within: Within | None = None
    ) -> list[list[Hit]]:
        """As the protocol says, but never more than 16,384 hits, which is the most that Milvus answers."""
        wanted = min(max(_OVERFETCH * k, _LEAST_CANDIDATES), _MOST)
        if not len(probes):
            return []
        if within is not None and len(within) <= wanted:
            candidates = [within for _ in probes]
        else:
            candidates = self._candidates(probes, wanted, within)
        return [hits[:k] for hits in self._scored(probes, candidates, threshold)]

    def range_search(
        self, probes: Probes, threshold: float, *, within: Within | None = None
    ) -> list[list[Hit]]:
        if within is not None:
            return self._scored(probes, [within for _ in probes], threshold)
        recent, least = self._recent.ids(), threshold - _SLACK[self._settings.gallery_index]
        candidates = [np.union1d(self._above(probe[None], least), recent) for probe in probes]
        return self._scored(probes, candidates, threshold)

    def settle(self) -> None:
        """The cluster builds its index itself."""

    def snapshot(self, folder: Path, sequence: int, head: Callable[[], tuple[int, str]]) -> None:
        """The cluster keeps itself."""

    def load(self, folder: Path, holds: Callable[[int, str], bool]) -> int | None:  # noqa: ARG002
        return None

    def stats(self) -> GalleryStats:
        return GalleryStats(
            tier="milvus",
            references=len(self),
            dimension=self._dimension,
            memory_bytes=0,
            pending=len(self._recent.ids()),
        )

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def __len__(self) -> int:
        """As counted by a search within the last minute, and what came since; asks nobody."""
        return self._references

    # --- for who feeds and mends it -----------------------------------------------------------------

    def ping(self) -> None:
        """Return if the query nodes answer.

        Raises:
            GalleryUnavailable: with the reason.
        """
        self._persist(MilvusClient.query, self._collection, patience=_PING_SECONDS, **_PING)

    def expect(self, reference_ids: Sequence[int]) -> None:
        """These references came, here or elsewhere: searches look at them whatever the cluster shows."""
        self._references += self._recent.note(reference_ids)

    def recount(self) -> None:
        """References went, here or elsewhere: the next search counts first."""
        self._counted_at = -np.inf

    def count(self) -> int:
        """How many rows the cluster holds, all writes included."""
        counted_at = time.monotonic()
        self._references = int(self._query("", "Strong", ["count(*)"])[0]["count(*)"])
        self._counted_at = counted_at
        return self._references

    def ids(self, low: int, high: int) -> Ids:
        """The ids above ``low`` up to ``high``, ascending; what changed in the last seconds may be wrong."""
        rows = self._query(f"id > {low} and id <= {high}", "Bounded", ["id"], limit=_MOST)
        if len(rows) < _MOST:
            return np.sort(np.array([row["id"] for row in rows], dtype=np.int64))
        middle = (low + high) // 2
        return np.concatenate([self.ids(low, middle), self.ids(middle, high)])

    def present(self, reference_ids: Sequence[int]) -> set[int]:
        """Which of these ids have a row, all writes included."""
        return {
            row["id"]
            for some in _parts(reference_ids, _IDS_AT_ONCE)
            for row in self._query(f"id in {list(some)}", "Strong", ["id"])
        }

    def refresh(self, reference_ids: Sequence[int]) -> None:
        """Give these references the rows that the record store says, or none.

        The store is looked at again after each write, as several servers may do this at once: a slower one
        must not bring back what a faster one has removed since.
        """
        while len(reference_ids):
            held = self.embeddings(reference_ids)
            if held:
                self.add(list(held), np.stack(list(held.values())))
            self.remove([i for i in reference_ids if i not in held])
            now = self.embeddings(reference_ids)
            reference_ids = [i for i in reference_ids if (i in now) != (i in held)]

    def exists(self) -> bool:
        """Whether the collection is there."""
        return bool(self._call(MilvusClient.has_collection, self._collection))

    def spare(self) -> MilvusGallery:
        """An empty collection beside the one in use, loaded and ready to be filled."""
        collection = f"{self.name}_{secrets.token_hex(4)}"
        spare = MilvusGallery(
            self._settings, self._dimension, self.name, self.embeddings, collection=collection
        )
        spare._client = self._client
        try:
            spare._create()
        except GalleryUnavailable:
            spare.drop()
            raise
        return spare

    def change_over(self, spare: MilvusGallery) -> None:
        """Put the spare collection in the place of the one in use, which stays beside it."""
        change = MilvusClient.alter_alias if self.exists() else MilvusClient.create_alias
        self._call(change, spare._collection, self.name)

    def drop(self) -> None:
        """Drop a spare collection that is not in use, if the cluster answers."""
        with suppress(GalleryUnavailable):
            if not self._call(MilvusClient.list_aliases, self._collection)["aliases"]:
                self._call(MilvusClient.drop_collection, self._collection)

    def drop_others(self, spare: MilvusGallery) -> None:
        """Drop the collection that this one replaced, and all leftovers."""
        for other in self._call(MilvusClient.list_collections):
            if other.startswith(f"{self.name}_") and other != spare._collection:
                self._call(MilvusClient.drop_collection, other)

    # --- inside -------------------------------------------------------------------------------------

    def _candidates(self, probes: Probes, limit: int, within: Within | None) -> list[Ids]:
        """For each probe the ids of the rows that the index finds nearest, and the recent ones."""
        recent = self._recent.ids()
        if within is None:
            return [np.union1d(ids, recent) for ids, _ in self._nearest(probes, limit, "")]
        found = [np.intersect1d(recent, within) for _ in probes]
        for some in _parts(within.tolist(), _IDS_AT_ONCE):
            nearest = self._nearest(probes, min(limit, len(some)), f"id in {some}")
            found = [np.union1d(ids, more) for ids, (more, _) in zip(found, nearest, strict=True)]
        return found

    def _above(self, probe: Probes, least: float, low: int = -1, high: int | None = None) -> Ids:
        """The ids above ``low`` up to ``high`` whose score in the cluster is at least ``least``."""
        restriction = f"id > {low}" + (f" and id <= {high}" if high is not None else "")
        for limit in (_MOST // 16, _MOST):  # mostly there are few
            ((ids, scores),) = self._nearest(probe, limit, restriction)
            if len(ids) < limit or scores[-1] < least:
                return ids[scores >= least]
        # There may be more than one answer holds. Each half of these ids leaves room for as many again.
        middle = int(np.median(ids))
        return np.concatenate(
            [self._above(probe, least, low, middle), self._above(probe, least, middle, high)]
        )

    def _nearest(self, probes: Probes, limit: int, restriction: str) -> list[tuple[Ids, NDArray[np.float32]]]:
        """For each probe ids and inner products, best first."""
        if time.monotonic() - self._counted_at > _COUNT_SECONDS:
            self.count()  # the size decides on thresholds: no search without it
        index = self._settings.gallery_index
        effort = {"HNSW": {"ef": 2 * limit}, "IVF_SQ8": {"nprobe": 64}}.get(index, {})
        found = []
        for start in range(0, len(probes), _PROBES_AT_ONCE):
            found += self._call(
                MilvusClient.search,
                self._collection,
                data=list(probes[start : start + _PROBES_AT_ONCE]),
                filter=restriction,
                limit=limit,
                anns_field="embedding",
                search_params={"metric_type": "IP", "params": effort},
                consistency_level=self._consistency(),
            )
        self._strong_until = min(self._strong_until, time.monotonic() + VISIBLE_SECONDS)
        return [
            (
                np.array([row["id"] for row in rows], dtype=np.int64),
                np.array([row["distance"] for row in rows], dtype=np.float32),
            )
            for rows in found
        ]

    def _scored(self, probes: Probes, candidates: Sequence[Ids], threshold: float) -> list[list[Hit]]:
        """The candidates that the record store holds, scored from its embeddings."""
        found: list[list[Hit]] = [[] for _ in probes]
        every = np.unique(np.concatenate([*candidates, np.empty(0, dtype=np.int64)]))
        for some in _parts(every.tolist(), _ROWS_AT_ONCE):
            held = self.embeddings(some)
            if not held:
                continue
            ids, references = np.array(list(held), dtype=np.int64), np.stack(list(held.values()))
            for probe, mine, hits in zip(probes, candidates, found, strict=True):
                rows = np.flatnonzero(np.isin(ids, mine))
                scores = _core.cosine_many(probe, references[rows])
                # As Python's floats: numpy would round the threshold to float32.
                scored = zip(ids[rows].tolist(), scores.tolist(), strict=True)
                hits += [Hit(i, score) for i, score in scored if score >= threshold]
        for hits in found:
            hits.sort(key=lambda hit: (-hit.score, hit.reference_id))
        return found

    def _consistency(self) -> str:
        """Strong, too, where more changed than is worth scoring in every search."""
        patient = self._settings.gallery_consistency == "bounded" and time.monotonic() > self._strong_until
        return "Bounded" if patient and len(self._recent.ids()) <= _MOST_RECENT else "Strong"

    def _create(self) -> None:
        index = self._settings.gallery_index
        schema = MilvusClient.create_schema(auto_id=False)
        schema.add_field("id", DataType.INT64, is_primary=True)
        schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=self._dimension)
        params = MilvusClient.prepare_index_params()
        params.add_index("embedding", index_type=index, metric_type="IP", params=_BUILD[index])
        self._call(MilvusClient.create_collection, self._collection, schema=schema, num_shards=2)
        self._call(MilvusClient.create_index, self._collection, params)
        self._call(
            MilvusClient.load_collection,
            self._collection,
            replica_number=self._settings.gallery_replicas,
            patience=_LOAD_SECONDS,
        )

    def _query(
        self, restriction: str, consistency: str, fields: list[str], **options: float
    ) -> list[dict[str, Any]]:
        return list(
            self._call(
                MilvusClient.query,
                self._collection,
                filter=restriction,
                output_fields=fields,
                consistency_level=consistency,
                **options,
            )
        )

    def _call(
        self,
        method: Callable[..., Any],
        *arguments: Any,  # noqa: ANN401
        patience: float = PATIENCE_SECONDS,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401 - pymilvus has no types
        """Call the client with patience, but not while the cluster is known to be away.

        Threads that all wait for it would be missing for what needs no gallery.

        Raises:
            GalleryUnavailable: it is away, or the collection is lost.
        """
        if self._away:
            with suppress(GalleryUnavailable):
                self._persist(MilvusClient.query, self._collection, patience=_GLANCE_SECONDS, **_PING)
        if self._away:
            raise GalleryUnavailable(self._away)
        return self._persist(method, *arguments, patience=patience, **options)

    def _persist(
        self,
        method: Callable[..., Any],
        *arguments: Any,  # noqa: ANN401
        patience: float,
        **options: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Call the client, and again in growing pauses until patience is at its end."""
        deadline, pause, unloaded = time.monotonic() + patience, 0.1, 0
        while True:
            try:
                left = deadline - time.monotonic()
                if self._client is None:
                    self._client = MilvusClient(self._settings.gallery_url, token=self._token, timeout=left)
                if unloaded > 1:  # a cluster that has just started loads by itself, mostly
                    replicas = self._settings.gallery_replicas
                    self._client.load_collection(self._collection, replica_number=replicas, timeout=left)
                answer = method(self._client, *arguments, timeout=left, **options)
            except (MilvusException, grpc.RpcError, grpc.FutureTimeoutError) as error:
                reason = _reason(error)
                if isinstance(error, MilvusException) and error.code == _NOT_FOUND:
                    self._away = ""
                    raise GalleryUnavailable(f"{reason}: run `govid gallery rebuild`") from error
                if time.monotonic() + pause >= deadline:
                    self._away = reason
                    raise GalleryUnavailable(reason) from error
                unloaded += "not loaded" in reason
            else:
                self._away = ""
                return answer
            time.sleep(pause)
            pause *= 2


def _reason(error: Exception) -> str:
    text = error.message if isinstance(error, MilvusException) else str(error)
    return " ".join(f"Milvus: {text or type(error).__name__}".split())[:200]


def _token(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8").strip() if file else ""
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSettings(f"gallery_token_file: {file}: {error}") from None


def _parts(values: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
