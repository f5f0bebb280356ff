"""The import itself: source -> batches -> store -> result file.

One batch is one transaction with an audit record per item; its results are on disk before the next. Whatever
stops the import, the same command goes on behind the last batch.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.audit import AuditRecord
from govid.bulk import Content, Item, ItemResult, Outcome, Source
from govid.bulk.interrupt import postponed
from govid.bulk.journal import Journal
from govid.bulk.prepare import Batch, Embed, Fault
from govid.callers import LOCAL
from govid.errors import CallerError, InvalidSubjectId, Refusal
from govid.face_region import MEDIA_TYPE
from govid.profiles import Profile
from govid.store import Store, bulk
from govid.store.audit import append_many
from govid.store.database import Connection
from govid.store.photos import KeptPhoto

# A batch of templates takes a tenth of a second, one of photos a few; a stop loses no more than that.
BATCH_ITEMS = 8192
BATCH_PHOTOS = 128


class Summary(msgspec.Struct, kw_only=True):
    """What an import did."""

    request_id: Annotated[str, Meta(description="Under which the audit has every item of this run")]
    enrolled: int = 0
    already_enrolled: int = 0
    refused: int = 0
    failed: int = 0
    done_earlier: int = 0
    seconds: float = 0.0
    first_reference: Annotated[
        int | None, Meta(description="Least id of the references of this and earlier runs of the import")
    ] = None

    def count(self, result: ItemResult) -> None:
        """One more item."""
        name = result.outcome.lower()
        setattr(self, name, getattr(self, name) + 1)
        if result.reference_id is not None:
            known = self.first_reference
            self.first_reference = result.reference_id if known is None else min(known, result.reference_id)

    @property
    def items(self) -> int:
        """Items of this run."""
        return self.enrolled + self.already_enrolled + self.refused + self.failed


class Importer:
    """Stores what sources yield."""

    def __init__(
        self,
        store: Store,
        profile: Profile,
        embed: Embed,
        *,
        max_references: int,
        keep_photos_days: float,
        threads: int,
        batch_items: int = BATCH_ITEMS,
        batch_photos: int = BATCH_PHOTOS,
    ) -> None:
        """
        Args:
            embed: makes the sample of a photo; called from several threads.
            keep_photos_days: how long what ``embed`` cut out of a photo is kept.
            threads: photos embedded at once; twice as many are held.
        """
        self._database, self._vault, self._photos = store.database, store.vault, store.photos
        self._profile, self._embed = profile, embed
        self._max_references, self._threads = max_references, threads
        self._keep_seconds = keep_photos_days * 86400
        self._batch_items, self._batch_photos = batch_items, batch_photos

    def run(
        self, source: Source, journal: Journal, progress: Callable[[Summary], None] = lambda _: None
    ) -> Summary:
        """Import every item that is not done.

        Raises:
            InvalidBody: the source cannot be read on; what came before is stored.
            StorageFull, OperatorError: nothing after the last batch is stored.
            KeyboardInterrupt: likewise.
        """
        started = time.monotonic()
        summary = Summary(
            request_id=str(uuid.uuid4()),
            done_earlier=journal.earlier,
            first_reference=journal.first_reference,
        )
        threads = ThreadPoolExecutor(self._threads, "embed")
        try:
            # Closed before the threads are waited for: it holds descriptors.
            with closing(source.items(journal.done)) as items:
                for batch in self._batches(items, threads):
                    ready, faults = batch.ready()
                    with postponed():
                        results = self._commit(source.name, batch, ready, faults, summary.request_id)
                        journal.write(results)
                    for result in results:
                        summary.count(result)
                    summary.seconds = time.monotonic() - started
                    progress(summary)
        finally:
            threads.shutdown(cancel_futures=True)
        return summary

    def _batches(self, items: Iterator[tuple[Item, Content]], threads: ThreadPoolExecutor) -> Iterator[Batch]:
        def empty() -> Batch:
            return Batch(self._profile, self._embed, threads, in_flight=2 * self._threads)

        batch = empty()
        broken: CallerError | None = None
        try:
            for item, content in items:
                batch.add(item, content)
                if len(batch) >= self._batch_items or batch.photos >= self._batch_photos:
                    yield batch
                    batch = empty()
        except CallerError as error:
            broken = error
        if len(batch):
            yield batch
        if broken:
            raise broken

    def _commit(
        self,
        source: str,
        batch: Batch,
        ready: Mapping[int, bulk.Incoming],
        faults: Mapping[int, Fault],
        request_id: str,
    ) -> list[ItemResult]:
        places = sorted(ready)
        with self._database.writing() as connection:
            placed = bulk.insert(
                connection,
                self._vault,
                [ready[place] for place in places],
                max_references=self._max_references,
            )
            self._keep_photos(connection, [ready[place] for place in places], placed)
            outcomes: dict[int, bulk.Placed | Fault] = {**faults, **dict(zip(places, placed, strict=True))}
            results = [_result(source, item, outcomes[place]) for place, item in enumerate(batch.items)]
            append_many(connection, self._audits(results, outcomes, request_id))
        return results

    def _keep_photos(
        self,
        connection: Connection,
        incoming: Sequence[bulk.Incoming],
        placed: Sequence[bulk.Placed | CallerError],
    ) -> None:
        kept_until = time.time() + self._keep_seconds
        for one, place in zip(incoming, placed, strict=True):
            if one.region is not None and isinstance(place, bulk.Placed) and place.is_new:
                photo = KeptPhoto(MEDIA_TYPE, one.region, kept_until)
                self._photos.insert(connection, place.reference_id, one.subject_id, photo)

    def _audits(
        self, results: list[ItemResult], outcomes: Mapping[int, bulk.Placed | Fault], request_id: str
    ) -> list[AuditRecord]:
        now, model_id = time.time(), self._profile.model_id
        return [
            AuditRecord(
                time=now,
                request_id=request_id,
                caller=LOCAL.name,
                operation="import",
                outcome=_audited(result, outcomes[place]),
                subject_id=result.subject_id or None,
                model_id=model_id,
            )
            for place, result in enumerate(results)
        ]


def _result(source: str, item: Item, outcome: bulk.Placed | Fault) -> ItemResult:
    word, reference_id, slug, reason = Outcome.ENROLLED, None, None, None
    if isinstance(outcome, bulk.Placed):
        reference_id = outcome.reference_id
        if not outcome.is_new:
            word = Outcome.ALREADY_ENROLLED
    elif isinstance(outcome, CallerError):
        word, slug, reason = Outcome.REFUSED, outcome.slug, outcome.detail
    elif isinstance(outcome, OSError):
        word, slug, reason = Outcome.FAILED, "unreadable", outcome.strerror
    else:
        word, slug, reason = Outcome.FAILED, "internal-error", type(outcome).__name__
    return ItemResult(
        input=source,
        source=item.source,
        key=item.key,
        # One that was refused may be of any length and no text at all.
        subject_id="" if isinstance(outcome, InvalidSubjectId) else item.subject_id,
        outcome=word,
        reference_id=reference_id,
        slug=slug,
        reason=reason,
    )


def _audited(result: ItemResult, outcome: bulk.Placed | Fault) -> str:
    """The word of the audit record: an outcome, or the reason of a refusal as for a single enrolment."""
    if isinstance(outcome, CallerError):
        return outcome.reason if isinstance(outcome, Refusal) else outcome.slug
    return result.outcome
