"""`make load`: run the locustfile headless. Without --host it starts its own server."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

BIN = Path(sys.executable).parent
LOCUSTFILE = Path(__file__).with_name("locustfile.py")
MODELS = Path("var/models")


def main() -> int:
    """The exit code is 1 if any request failed or got a wrong decision."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address of a running server")
    parser.add_argument("--users", type=int, default=8)
    parser.add_argument("--seconds", type=int, default=30)
    options = parser.parse_args()
    if options.host:
        return _load(options.host, options)
    with tempfile.TemporaryDirectory(prefix="govid-load-") as scratch:
        shutil.copytree(MODELS, Path(scratch) / "models")
        server = subprocess.Popen(
            [BIN / "govid", "--data-dir", scratch, "serve", "--json", "--port", "0"],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert server.stdout is not None
            address = json.loads(server.stdout.readline())["address"]
            _wait_until_ready(address)
            return _load(address, options)
        finally:
            server.terminate()
            server.wait(timeout=30)


def _wait_until_ready(address: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if httpx.get(f"{address}/readyz", trust_env=False).status_code == 200:
            return
        time.sleep(0.05)
    raise TimeoutError("the server did not become ready within 60 s")


def _load(host: str, options: argparse.Namespace) -> int:
    return subprocess.run(
        [
            BIN / "locust", "-f", LOCUSTFILE, "--headless", "--only-summary", "--loglevel", "WARNING",
            "-u", str(options.users), "-r", str(options.users), "-t", f"{options.seconds}s", "--host", host,
        ],
        check=False,
    ).returncode  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
