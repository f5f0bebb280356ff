"""A server of one's own for a load test: on a free port, with fresh records, on cores of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

BIN = Path(sys.executable).parent
MODELS = Path("var/models")


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    address: str
    pid: int
    ready_seconds: float
    """From the start of the process until it answered a request with its models."""

    def rss(self) -> int:
        """Resident memory in bytes."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")


def split_cores() -> tuple[set[int], set[int]]:
    """A core for the load generator and one for the server; the same one where there is only one."""
    cores = sorted(os.sched_getaffinity(0))
    return {cores[0]}, {cores[-1]}


def pinned(command: list[str | Path], cores: set[int] | None) -> list[str | Path]:
    """The command, held to these cores if any are named."""
    return ["taskset", "-c", ",".join(map(str, sorted(cores))), *command] if cores else command


@contextmanager
def served(*options: str, cores: set[int] | None = None) -> Iterator[Served]:
    """Start a server, pinned to ``cores`` if given, and stop it at the end."""
    with tempfile.TemporaryDirectory(prefix="govid-load-") as scratch:
        shutil.copytree(MODELS, Path(scratch) / "models")
        start = time.monotonic()
        server = subprocess.Popen(
            pinned([BIN / "govid", "--data-dir", scratch, "serve", "--json", "--port", "0", *options], cores),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GOVID_LOG_LEVEL": "warning"},
        )
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            _wait_until_ready(address)
            yield Served(address, server.pid, time.monotonic() - start)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
            return
        time.sleep(0.02)
    raise TimeoutError("the server did not become ready within 60 s")
