"""What the kernel says about a process."""

from __future__ import annotations

import re
from pathlib import Path


def resident_mib(process: int | str) -> float:
    """Memory a process holds now (VmRSS), in MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s*(\d+) kB", status, re.MULTILINE)
    assert found, "the process has ended"
    return int(found[1]) / 1024
