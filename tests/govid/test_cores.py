from __future__ import annotations

import os
import subprocess
import sys

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
    assert cores.available() == len(os.sched_getaffinity(0))
