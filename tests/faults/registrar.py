"""Clients that write and remember what was promised to them."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import numpy as np
import pytest

from tests.support import b64

RNG = np.random.default_rng(7)


class Registrar:
    """Enrols and deletes as fast as it can, and remembers what was acknowledged."""

    def __init__(self, client: httpx.Client, model_id: str, number: int) -> None:
        self._client, self._model_id, self._number = client, model_id, number
        self.stopped = threading.Event()
        self.faces: dict[str, np.ndarray] = {}
        """Of all whom it ever sent, (129,) float32."""
        self.present: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        self.groups: dict[str, list[str]] = {}
        """Of some who are there, each in the one that was acknowledged last."""
        self.acknowledged = 0
        self.unknown: set[str] = set()
        """Neither promised nor forbidden: their replies never came, or said that the store was away."""
        self.away: list[httpx.Response] = []
        self.failures: list[httpx.Response] = []

    def run(self) -> None:
        """Go on until stopped, or until the server is killed."""
        step = 0
        try:
            while not self.stopped.is_set() and not self.failures:
                step += 1
                self._enrol(f"{self._number}-{step}")
                if step % 5 == 0 and self.present:
                    self._group(next(reversed(self.present)), f"g{step}")
                    self._delete(next(iter(self.present)))
        except httpx.TransportError:
            pass

    def _enrol(self, subject: str) -> None:
        face = np.append(RNG.normal(size=128), 2).astype("<f4")
        if self.faces and RNG.random() < 0.1:
            # Somebody who is enrolled already, on another photo.
            face = next(reversed(self.faces.values())) + RNG.normal(size=129).astype("<f4") * 0.2
            face[-1] = 2
        self.faces[subject] = face
        embedding = face.tobytes()
        template = {"model_id": self._model_id, "embedding": b64(embedding)}
        self.unknown.add(subject)
        if self._acknowledged(
            self._client.post("/v1/subjects", json={"subject_id": subject, "template": template})
        ):
            self.unknown.discard(subject)
            self.present[subject] = embedding

    def _group(self, subject: str, group: str) -> None:
        self.groups.pop(subject, None)
        if self._acknowledged(self._client.put(f"/v1/subjects/{subject}/groups", json={"groups": [group]})):
            self.groups[subject] = [group]

    def _delete(self, subject: str) -> None:
        self.unknown.add(subject)
        del self.present[subject]
        self.groups.pop(subject, None)
        if self._acknowledged(self._client.delete(f"/v1/subjects/{subject}")):
            self.unknown.discard(subject)
            self.deleted.add(subject)

    def _acknowledged(self, reply: httpx.Response) -> bool:
        if reply.is_success:
            self.acknowledged += 1
            return True
        if reply.status_code == 503 and reply.json()["slug"] in {"store-unavailable", "storage-full"}:
            self.away.append(reply)
            time.sleep(0.05)
        else:
            self.failures.append(reply)
        return False


class Promises:
    """What all registrars together were promised."""

    def __init__(self) -> None:
        self.faces: dict[str, np.ndarray] = {}
        self.present: dict[str, bytes] = {}
        self.deleted: set[str] = set()
        self.groups: dict[str, list[str]] = {}
        self.unknown: set[str] = set()

    def add(self, registrar: Registrar) -> None:
        """Take over what one remembers."""
        assert registrar.failures == []
        self.faces |= registrar.faces
        self.present |= registrar.present
        self.deleted |= registrar.deleted
        self.groups |= registrar.groups
        self.unknown |= registrar.unknown

    def check(self, client: httpx.Client, chance: random.Random) -> None:
        """Everything acknowledged is listed, nothing else is, and some of it is found by its face."""
        there = everything(client)
        assert set(self.present) <= there
        assert not self.deleted & there
        assert there <= set(self.present) | self.unknown
        self.check_faces(client, sorted(self.present), chance)
        for subject in chance.sample(sorted(self.groups), min(10, len(self.groups))):
            assert client.get(f"/v1/subjects/{subject}").json()["groups"] == self.groups[subject]

    def check_faces(self, client: httpx.Client, subjects: list[str], chance: random.Random) -> None:
        """Some of these are found by the face that was promised."""
        for subject in chance.sample(subjects, min(10, len(subjects))):
            template = {"model_id": model_id(client), "embedding": b64(self.present[subject])}
            found = client.post("/v1/identify", json={"template": template, "max_candidates": 1}).json()
            assert found["candidates"][0]["subject_id"] == subject
            assert found["candidates"][0]["score"] == pytest.approx(1, abs=1e-5)


@contextmanager
def registrars_at_work(client: httpx.Client, first: int, promises: Promises) -> Iterator[list[Registrar]]:
    """Three of them while the block runs; then they stop, and their promises are added."""
    registrars = [Registrar(client, model_id(client), first + number) for number in range(3)]
    threads = [threading.Thread(target=registrar.run) for registrar in registrars]
    for thread in threads:
        thread.start()
    try:
        yield registrars
    finally:
        for registrar in registrars:
            registrar.stopped.set()
        for thread in threads:
            thread.join()
    for registrar in registrars:
        promises.add(registrar)


def model_id(client: httpx.Client) -> str:
    """The id that templates carry."""
    return str(client.get("/v1/models").json()["template_model_id"])


def everything(client: httpx.Client) -> set[str]:
    """All subjects, page by page."""
    found: set[str] = set()
    after: str | None = ""
    while after is not None:
        page = client.get("/v1/subjects", params={"after": after, "limit": 1000}).json()
        found.update(page["subjects"])
        after = page["next_after"]
    return found
