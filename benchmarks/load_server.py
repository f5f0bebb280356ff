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
NO_LIMITS = {
    "GOVID_REQUESTS_PER_SECOND": "1000000",
    "GOVID_REQUEST_BURST": "1000000",
    "GOVID_REQUESTS_AT_ONCE": "1000000",
    # One of the two claims is false each time.
    "GOVID_LOCKOUT_ATTEMPTS": "1000000",
}


@dataclass(frozen=True)
class Served:
    """A server that answers."""

    address: str
    pid: int
    ready_seconds: float
    """From the start of the process until it answered a request with its models."""
    key: str = ""
    """API key that its callers need; empty where they need none."""

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
def served(*options: str, cores: set[int] | None = None, authenticated: bool = False) -> Iterator[Served]:
    """Start a server, pinned to ``cores`` if given, and stop it at the end.

    Args:
        authenticated: callers need a key, whose quota lets the server itself be the limit.
    """
    with tempfile.TemporaryDirectory(prefix="govid-load-") as scratch:
        shutil.copytree(MODELS, Path(scratch) / "models")
        key = _made_key(scratch) if authenticated else ""
        start = time.monotonic()
        server = subprocess.Popen(
            pinned([BIN / "govid", "--data-dir", scratch, "serve", "--json", "--port", "0", *options], cores),
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "GOVID_LOG_LEVEL": "warning", **(NO_LIMITS if key else {})},
        )
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            _wait_until_ready(address)
            yield Served(address, server.pid, time.monotonic() - start, key)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _made_key(folder: str) -> str:
    scopes = [f"--scope={scope}" for scope in ("verify", "identify", "enrol")]
    made = subprocess.run(
        [BIN / "govid", "--data-dir", folder, "keys", "create", "load", *scopes, "--json"],
        check=True,
        stdout=subprocess.PIPE,
    )
    return str(json.loads(made.stdout)["key"])


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
            return
        time.sleep(0.02)
    raise TimeoutError("the server did not become ready within 60 s")
