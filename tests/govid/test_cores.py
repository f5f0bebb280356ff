from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from govid import cores


def test_a_pinned_process_counts_its_own_cores() -> None:
    core = min(os.sched_getaffinity(0))
    counted = subprocess.run(
        [sys.executable, "-c", "from govid import cores; print(cores.available(), cores.for_photos())"],
        preexec_fn=lambda: os.sched_setaffinity(0, {core}),
        capture_output=True,
        text=True,
        check=True,
    )
    assert counted.stdout.split() == ["1", "2"]
    assert 1 <= cores.available() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("quota", "expected"),
    [
        ("100000 100000\n", 1),
        ("50000 100000\n", 1),
        ("150000 100000\n", 2),
        ("400000 100000\n", 4),
        ("6400000 100000\n", 8),  # no more than there are
        ("max 100000\n", 8),
        ("", 8),
        ("100000 0\n", 8),
        (None, 8),
    ],
)
def test_a_container_counts_the_cores_that_it_may_keep_busy(
    quota: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "cpu.max"
    if quota is not None:
        file.write_text(quota)
    monkeypatch.setattr(cores, "_QUOTA", file)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert cores.available() == expected
