"""A disk that can be filled."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 MiB, which a test can fill."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a small file system")
    with tempfile.TemporaryDirectory(prefix="govid-small-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL runs as another user
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=755", "tmpfs", name]
        if subprocess.run(mount, check=False, capture_output=True).returncode:
            pytest.skip("no file system can be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", "--lazy", name], check=True)
