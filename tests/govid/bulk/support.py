"""Shared by the tests of import and export: templates, sources of lines, and an embedder without models."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from govid.bulk import ItemResult, Source
from govid.bulk.importer import Importer, Summary
from govid.bulk.journal import Journal
from govid.bulk.manifest import Manifest
from govid.config import Settings
from govid.errors import PhotoNotAnImage
from govid.profiles import active
from govid.store.records import SqlStore
from govid.store.sqlite import SqliteStore
from govid.types import Face, Sample, Template
from tests.support import b64

PROFILE = active(Settings())[0]
PHOTO_MAX = 4096


def embedding(seed: int) -> bytes:
    """A plausible template of the active model, of no norm in particular."""
    return np.append(np.random.default_rng(seed).normal(size=128), 2).astype("<f4").tobytes()


def line(subject: str, seed: int = 0, **fields: object) -> dict[str, Any]:
    """A line of a manifest with a template."""
    template = {"model_id": PROFILE.model_id, "embedding": b64(embedding(seed))}
    return {"subject_id": subject, "template": template, **fields}


def manifest(
    lines: Sequence[dict[str, Any] | bytes], *, add: bool = False, folder: Path | None = None
) -> Manifest:
    """A manifest of lines; one given as bytes is taken as it is."""
    data = b"".join((one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in lines)
    return Manifest(BytesIO(data), "people.ndjson", folder=folder, add=add, photo_max_bytes=PHOTO_MAX)


def stream(data: bytes) -> BufferedReader:
    """Bytes as a pipe gives them."""
    return BufferedReader(BytesIO(data))  # type: ignore[arg-type]


def embed(photo: bytes) -> Sample:
    """A template that depends on the bytes alone; ``no photo`` is refused and ``crash`` goes wrong."""
    if photo == b"no photo":
        raise PhotoNotAnImage
    if photo == b"crash":
        raise RuntimeError("of our own making")
    seed = int.from_bytes(hashlib.sha256(photo).digest()[:4], "big")
    vector = np.frombuffer(embedding(seed), "<f4")
    face = Face(np.zeros(4, np.float32), np.zeros((5, 2), np.float32), 1.0)
    return Sample(Template(PROFILE.model_id, vector / np.linalg.norm(vector)), face, ())


def importer(store: SqlStore, **options: object) -> Importer:
    """An importer in small batches."""
    small: dict[str, Any] = {"max_references": 3, "threads": 2, "batch_items": 7, "batch_photos": 3}
    small["keep_photos_days"] = 0.0
    return Importer(store, PROFILE, **{"embed": embed, **small, **options})


def run(folder: Path, source: Source, **options: object) -> Summary:
    """Import into the store in a folder, with the results beside it."""
    store = SqliteStore(folder / "govid.sqlite3")
    try:
        with Journal(folder / "results.ndjson", source.name) as journal:
            return importer(store, **options).run(source, journal)
    finally:
        store.close()


def results(folder: Path) -> list[ItemResult]:
    """The lines of the result file."""
    return msgspec.json.Decoder(ItemResult).decode_lines((folder / "results.ndjson").read_bytes())


def outcomes(folder: Path) -> dict[str, str]:
    """Outcome, or slug of the refusal or failure, by place in the source."""
    return {one.source: one.slug or one.outcome.value for one in results(folder)}


def gallery(folder: Path) -> list[tuple[str, tuple[str, ...], list[bytes]]]:
    """Everybody in the store: subject, groups, templates from the oldest."""
    store = SqliteStore(folder / "govid.sqlite3")
    try:
        return [
            (
                subject,
                store.subject(subject).groups,
                [reference.template.embedding.tobytes() for reference in store.references(subject)],
            )
            for subject in store.subjects(after="", limit=1_000_000)
        ]
    finally:
        store.close()
