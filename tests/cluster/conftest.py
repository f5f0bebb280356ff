"""One cluster for all tests, and a registry that servers share through it."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from govid import Settings
from tests import support
from tests.cluster.milvus_cluster import MilvusCluster, etcd, wheel
from tests.cluster.registry import Registry


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[MilvusCluster]:
    """All roles, running; a test that kills some starts them again."""
    if not (wheel() and etcd()):
        if sys.platform == "linux" and platform.machine() == "x86_64" and shutil.which("apt-get"):
            pytest.fail("the parts of the cluster are missing: scripts/setup.sh dev")
        pytest.skip("Milvus and etcd are installed for Linux on x86-64 with apt-get only")
    # Not pytest's folder, which it keeps: this one takes half a gigabyte.
    with tempfile.TemporaryDirectory(prefix="govid-cluster-") as folder:
        cluster = MilvusCluster(Path(folder))
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
            if request.session.testsfailed:
                print(cluster.logs())


@pytest.fixture(scope="session")
def settings(cluster: MilvusCluster, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Of servers that share the cluster."""
    folder = support.data_dir(tmp_path_factory.mktemp("shared") / "var")
    return Settings(data_dir=str(folder), gallery_url=cluster.url, gallery_index="FLAT")


@pytest.fixture(scope="session")
def registry(settings: Settings) -> Iterator[Registry]:
    """3,000 references, fed to the cluster. Tests leave the two in step."""
    registry = Registry(settings)
    registry.enrol_many(3000)
    registry.feed()
    yield registry
    registry.close()
