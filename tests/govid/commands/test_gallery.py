"""What needs no cluster; ``tests/cluster`` has the rest."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests import support


@pytest.mark.parametrize("command", ["check", "reconcile", "rebuild"])
def test_a_gallery_in_the_server_needs_no_care(command: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [support.GOVID, "--data-dir", str(tmp_path / "var"), "gallery", command, "--json"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["slug"] == "invalid-settings"


def test_a_cluster_that_is_away_is_named(tmp_path: Path) -> None:
    done = subprocess.run(
        [support.GOVID, "--data-dir", str(tmp_path / "var"), "gallery", "check", "--json"],
        env={"GOVID_GALLERY_URL": "http://127.0.0.1:1"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["slug"] == "gallery-unavailable"
    assert "127.0.0.1" in told["detail"]
