"""A rebuild that meets errors, on a cluster of dictionaries; ``tests/cluster`` has the real one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from govid import Settings
from govid.audit import AuditRecord
from govid.errors import GalleryUnavailable
from govid.gallery.feeder import GalleryFeeder
from govid.gallery.milvus import MilvusGallery
from govid.gallery.rebuild import rebuild
from govid.gallery.shared import SharedGallery
from govid.store import NewReference
from govid.store.sqlite import SqliteStore
from govid.types import Template

NAME = "govid_x"
AUDIT = AuditRecord(time=0, request_id="r", operation="enrol", outcome="ENROLLED")


class Cluster:
    """Collections, an alias, what fails, and what happens when the alias changes."""

    def __init__(self) -> None:
        self.collections: dict[str, set[int]] = {}
        self.aliases: dict[str, str] = {}
        self.failing: set[str] = set()
        self.answer_lost = False
        self.at_change: Callable[[], None] = lambda: None

    def call(self, method: Any, name: str = "", *more: object, **options: object) -> object:  # noqa: ANN401
        if method.__name__ in self.failing:
            raise GalleryUnavailable(method.__name__)
        return getattr(self, method.__name__)(name, *more, **options)

    def rows(self, name: str) -> set[int]:
        return self.collections[self.aliases.get(name, name)]

    def has_collection(self, name: str) -> bool:
        return name in self.aliases or name in self.collections

    def create_collection(self, name: str, **_: object) -> None:
        self.collections[name] = set()

    def create_index(self, *_: object) -> None: ...

    def load_collection(self, *_: object, **__: object) -> None: ...

    def list_collections(self, _: str) -> list[str]:
        return list(self.collections)

    def create_alias(self, collection: str, alias: str) -> None:
        self.at_change()
        self.aliases[alias] = collection
        if self.answer_lost:
            raise GalleryUnavailable("no answer")

    alter_alias = create_alias

    def list_aliases(self, collection: str) -> dict[str, list[str]]:
        return {"aliases": [alias for alias, of in self.aliases.items() if of == collection]}

    def drop_collection(self, name: str) -> None:
        if name in self.aliases.values():
            raise AssertionError
        self.collections.pop(name, None)

    def upsert(self, name: str, data: list[dict[str, Any]]) -> None:
        self.rows(name).update(row["id"] for row in data)

    def delete(self, name: str, ids: list[int]) -> None:
        self.rows(name).difference_update(ids)

    def query(self, name: str, **_: object) -> list[dict[str, int]]:
        return [{"count(*)": len(self.rows(name))}]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    made = Cluster()
    monkeypatch.setattr(MilvusGallery, "_call", made.call)
    monkeypatch.setattr("govid.gallery.rebuild.VISIBLE_SECONDS", 0)
    return made


@pytest.fixture
def shared(tmp_path: Path) -> SharedGallery:
    store = SqliteStore(tmp_path / "govid.sqlite3")

    def embeddings(ids: Sequence[int]) -> dict[int, NDArray[np.float32]]:
        return {i: template.embedding for i, template in store.templates_by_id(ids).items()}

    settings = Settings(gallery_url="http://127.0.0.1:1")
    return SharedGallery(MilvusGallery(settings, 4, NAME, embeddings), store, lambda template: template)


def enrol(shared: SharedGallery, subject: str) -> None:
    face = Template("m", np.eye(4, dtype=np.float32)[0])
    shared.store.add_subject(NewReference(subject, face, (), 0.0), AUDIT, None, lambda *_: b"")


@pytest.mark.parametrize("failing", ["list_collections", "drop_collection"])
def test_what_changed_while_the_alias_did_is_fed_whatever_fails_then(
    failing: str, cluster: Cluster, shared: SharedGallery
) -> None:
    enrol(shared, "a")
    rebuild(shared)
    cluster.failing = {failing}
    cluster.at_change = lambda: enrol(shared, "b")
    with pytest.raises(GalleryUnavailable, match=failing):
        rebuild(shared)
    assert cluster.rows(NAME) == {1, 2}


@pytest.mark.parametrize("failing", ["load_collection", "upsert", "query", "create_alias"])
def test_a_rebuild_that_fails_leaves_no_collection_behind(
    failing: str, cluster: Cluster, shared: SharedGallery
) -> None:
    enrol(shared, "a")
    cluster.failing = {failing}
    for _ in range(2):
        with pytest.raises(GalleryUnavailable, match=failing):
            rebuild(shared)
    assert cluster.collections == {}


def test_a_collection_that_took_over_without_an_answer_stays(cluster: Cluster, shared: SharedGallery) -> None:
    enrol(shared, "a")
    cluster.answer_lost = True
    with pytest.raises(GalleryUnavailable, match="no answer"):
        rebuild(shared)
    assert cluster.rows(NAME) == {1}


def test_a_server_needs_the_cluster_only_for_what_nobody_has_fed(
    cluster: Cluster, shared: SharedGallery
) -> None:
    enrol(shared, "a")
    feeder = GalleryFeeder(shared)
    cluster.failing = {"upsert", "delete", "query", "search"}
    assert feeder.catch_up() == 1
    enrol(shared, "b")
    with pytest.raises(GalleryUnavailable):
        feeder.catch_up()


def test_a_rebuild_leaves_the_new_collection_alone(cluster: Cluster, shared: SharedGallery) -> None:
    enrol(shared, "a")
    rebuild(shared)
    (first,) = cluster.collections
    rebuild(shared)
    (second,) = cluster.collections
    assert first != second
    assert cluster.rows(NAME) == {1}
