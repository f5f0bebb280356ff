"""Items -> checked references: photos through the pipeline in threads, templates many at a time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

import msgspec

from govid import subject_id, template
from govid.bulk import Content, Item
from govid.errors import CallerError, OperatorError, TemplateWrongModel
from govid.profiles import Profile
from govid.store.bulk import Incoming
from govid.types import PackedTemplate, QualityMeasure, Sample

Embed: TypeAlias = Callable[[bytes], Sample]
Fault: TypeAlias = CallerError | Exception
"""The item's fault, or an accident of ours."""

_ENCODER = msgspec.json.Encoder()
_NO_QUALITY = "[]"
_LONGEST_ID = 256


class Batch:
    """Items on their way into one transaction: photos are embedded meanwhile, templates wait."""

    def __init__(
        self, profile: Profile, embed: Embed, threads: ThreadPoolExecutor, *, in_flight: int
    ) -> None:
        """
        Args:
            in_flight: most photos held at once; ``add`` waits where there are as many.
        """
        self._profile, self._embed, self._threads, self._in_flight = profile, embed, threads, in_flight
        self._model_id = profile.model_id
        self.items: list[Item] = []
        self.photos = 0
        self._faults: dict[int, Fault] = {}
        self._samples: dict[int, Future[Sample]] = {}
        self._under_way: deque[Future[Sample]] = deque()
        self._packed: dict[int, PackedTemplate] = {}

    def __len__(self) -> int:
        return len(self.items)

    def add(self, item: Item, content: Content) -> None:
        """Take one item; its photo is let go as soon as it is embedded."""
        place = len(self.items)
        try:
            if not isinstance(content, Exception):
                subject_id.checked(item.subject_id)
                if item.groups:
                    item = msgspec.structs.replace(item, groups=subject_id.checked_groups(item.groups))
        except CallerError as error:
            content = error
        if isinstance(content, Exception):
            self._faults[place] = content
            # What a wrong line brought along is not held until the batch is full.
            item = msgspec.structs.replace(item, groups=(), quality=())
        elif isinstance(content, PackedTemplate):
            longest = 4 * self._profile.dimension + 1  # one byte too many is as wrong as a million
            self._packed[place] = PackedTemplate(content.model_id[:_LONGEST_ID], content.data[:longest])
        else:
            self.photos += 1
            if len(self._under_way) >= self._in_flight:
                _wait(self._under_way.popleft())
            self._samples[place] = future = self._threads.submit(self._embed, content)
            self._under_way.append(future)
        self.items.append(item)

    def ready(self) -> tuple[dict[int, Incoming], dict[int, Fault]]:
        """The references by their place in ``items``, and what is wrong with the others.

        Raises:
            OperatorError: the installation cannot embed.
        """
        now = time.time()
        found: dict[int, Incoming] = {}
        for place, future in self._samples.items():
            try:
                sample = future.result()
            except OperatorError:
                raise
            except Exception as error:  # noqa: BLE001 - one item stops nothing, whatever went wrong
                self._faults[place] = error
                continue
            found[place] = self._incoming(
                place, template.pack(sample.template), _quality(sample.quality), now, sample.region
            )
        self._unpack(found, now)
        return found, self._faults

    def _unpack(self, found: dict[int, Incoming], now: float) -> None:
        places = []
        for place, packed in self._packed.items():
            if packed.model_id == self._model_id:
                places.append(place)
            else:
                self._faults[place] = TemplateWrongModel(f"active is {self._model_id}")
        rows, faults = template.unpack_many([self._packed[p].data for p in places], self._profile.dimension)
        implausible = self._profile.faults(rows)
        data = rows.astype("<f4", copy=False).tobytes()
        size = 4 * self._profile.dimension
        for row, place in enumerate(places):
            if fault := faults[row] or implausible[row]:
                self._faults[place] = fault
            else:
                embedding = data[row * size : (row + 1) * size]
                found[place] = self._incoming(place, embedding, _quality(self.items[place].quality), now)

    def _incoming(
        self, place: int, embedding: bytes, quality: str, now: float, region: bytes | None = None
    ) -> Incoming:
        item = self.items[place]
        # Zero has no sign in SQLite, and would have one under the seal.
        created_at = now if item.created_at is None else item.created_at + 0.0
        return Incoming(
            item.subject_id, item.groups, item.add, self._model_id, embedding, quality, created_at, region
        )


def _quality(measures: Sequence[QualityMeasure]) -> str:
    return _ENCODER.encode(measures).decode() if measures else _NO_QUALITY


def _wait(future: Future[Sample]) -> None:
    future.exception()
