"""Nodes, the whole cluster and its log are lost while servers run."""

from __future__ import annotations

import json
import os
import subprocess
import threading

import pytest

from govid import Engine, Settings
from govid.errors import GalleryUnavailable
from govid.gallery.rebuild import rebuild
from govid.gallery.reconcile import reconcile
from tests import support
from tests.cluster.milvus_cluster import NODES, MilvusCluster
from tests.cluster.registry import Registry, ids
from tests.support import wait_until

pytestmark = pytest.mark.cluster


def answers(registry: Registry) -> bool:
    """Whether the cluster is ready, as /readyz asks."""
    try:
        registry.gallery.ping()
    except GalleryUnavailable:
        return False
    return True


def test_searches_go_on_when_a_query_node_dies(cluster: MilvusCluster, registry: Registry) -> None:
    probes = registry.mated(40)
    expected = ids(registry.exact(probes, 1))
    results: list[bool | Exception] = []
    killed = threading.Event()

    def search() -> None:
        killed.wait()
        for row, mate in zip(probes, expected, strict=True):
            try:
                results.append(ids(registry.gallery.search(row[None], 1)) == [mate])
            except Exception as error:  # noqa: BLE001 - of any kind, to be looked at
                results.append(error)

    threads = [threading.Thread(target=search) for _ in range(3)]
    for thread in threads:
        thread.start()
    killed.set()
    cluster.kill("query-1")
    for thread in threads:
        thread.join()
    failures = [result for result in results if result is not True]
    assert all(isinstance(failure, GalleryUnavailable) for failure in failures), failures
    assert len(failures) <= len(results) / 4
    cluster.start_node("query-1")


def test_a_server_recovers_when_the_whole_cluster_was_away(
    cluster: MilvusCluster, registry: Registry, settings: Settings
) -> None:
    cluster.kill(*NODES)
    probe = registry.mated(1)
    (row,) = registry.unit(1)
    meanwhile = registry.enrol("meanwhile", row)
    with pytest.raises(GalleryUnavailable, match="Milvus"):
        registry.gallery.search(probe, 1)
    with pytest.raises(GalleryUnavailable):
        registry.feed()
    assert not answers(registry)
    # A server that starts now verifies and deletes, and searches when the cluster is back.
    with Engine(settings) as engine:
        registry.enrol("erased", registry.unit(1)[0])
        engine.delete("erased")
        with pytest.raises(GalleryUnavailable):
            engine.identify(support.OBAMA)
        cluster.start_nodes()
        wait_until(lambda: answers(registry))
        registry.feed()
        assert ids(registry.gallery.search(row[None], 1)) == [[meanwhile]]
        assert engine.identify(support.OBAMA).gallery_size == registry.gallery.count()


def test_a_collection_taken_out_of_memory_is_loaded_again(registry: Registry) -> None:
    client = registry.gallery._client
    assert client is not None
    client.release_collection(registry.gallery.name)
    probe = registry.mated(1)
    assert ids(registry.gallery.search(probe, 1)) == ids(registry.exact(probe, 1))


def test_a_lost_collection_is_named_and_built_anew(registry: Registry, settings: Settings) -> None:
    client = registry.gallery._client
    assert client is not None
    client.drop_alias(registry.gallery.name)
    probe = registry.mated(1)
    starting = Registry(settings)
    for server in (registry, starting):
        with pytest.raises(GalleryUnavailable, match="govid gallery rebuild"):
            server.gallery.search(probe, 1)
    with pytest.raises(GalleryUnavailable, match="govid gallery rebuild"):
        starting.feed()
    rebuild(registry.shared)
    for server in (registry, starting):
        server.feed()
        assert server.gallery.search(probe, 1) == registry.exact(probe, 1)
    starting.close()


def test_a_lost_log_is_found_by_check_and_mended_by_rebuild(
    cluster: MilvusCluster, registry: Registry, settings: Settings
) -> None:
    def govid(command: str) -> tuple[int, dict[str, int]]:
        done = subprocess.run(
            [support.GOVID, "gallery", command, "--json"],
            env={**os.environ, "GOVID_DATA_DIR": settings.data_dir, "GOVID_GALLERY_URL": cluster.url,
                 "GOVID_GALLERY_INDEX": "FLAT"},
            capture_output=True,
            check=False,
            timeout=600,
        )  # fmt: skip
        assert done.stdout, done.stderr
        return done.returncode, json.loads(done.stdout)

    rows = registry.unit(30)
    for number, row in enumerate(rows):
        registry.enrol(f"unflushed-{number}", row)
    registry.feed()
    cluster.kill(*NODES, "broker")
    cluster.start_broker()
    cluster.start_nodes()
    wait_until(lambda: answers(registry))
    code, report = govid("check")
    assert code == 1
    assert report["missing"] >= 30
    code, report = govid("rebuild")
    assert (code, report["missing"], report["surplus"]) == (0, 0, 0)
    report = reconcile(registry.shared, repair=False)
    assert report.references == report.rows == report.counted == len(registry.embeddings())
    assert (report.missing, report.surplus) == (0, 0)
    assert ids(registry.gallery.search(rows, 1)) == ids(registry.exact(rows, 1))
