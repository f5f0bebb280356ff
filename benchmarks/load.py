"""`make load`: run the locustfile headless. Without --host it starts its own server."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.load_server import BIN, pinned, served

LOCUSTFILE = Path(__file__).with_name("locustfile.py")


def main() -> int:
    """The exit code is 1 if any request failed or got a wrong decision; a 503 with Retry-After is neither."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--host", help="address of a running server")
    parser.add_argument("--scenario", default="mixed", help="verify, identify, enrol, template or mixed")
    parser.add_argument("--users", type=int, default=8, help="closed loop: so many at once")
    parser.add_argument("--rate", type=float, help="open loop: so many arrivals per second")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--authenticated", action="store_true", help="by an API key (without --host)")
    parser.add_argument("--key", default="", help="API key for --host: scopes verify, identify and enrol")
    asked = parser.parse_args()
    how = {"scenario": asked.scenario, "seconds": asked.seconds, "users": asked.users, "rate": asked.rate}
    if asked.host:
        return load(asked.host, key=asked.key, **how)[0]
    with served(authenticated=asked.authenticated) as server:
        return load(server.address, key=server.key, **how)[0]


def load(
    host: str,
    *,
    scenario: str,
    seconds: float,
    users: int = 1,
    rate: float | None = None,
    cores: set[int] | None = None,
    quiet: bool = False,
    key: str = "",
) -> tuple[int, dict[str, Any]]:
    """Run Locust: a closed loop of users, or with ``rate`` (per second) an open one.

    Returns:
        its exit code, and what the locustfile's ``summary`` wrote.
    """
    # Locust takes whole seconds.
    shape = (
        ["-u", "1", "--rate", str(rate), "Arrivals"] if rate else ["-u", str(users), "-r", str(users), "Desk"]
    )
    with tempfile.NamedTemporaryFile(suffix=".json") as out:
        done = subprocess.run(
            pinned([
                BIN / "locust", "-f", LOCUSTFILE, "--headless", "--only-summary", "--loglevel", "ERROR",
                "--skip-log", "-t", f"{max(1, round(seconds))}s", "--stop-timeout", "30", "--host", host,
                "--scenario", scenario, "--out", out.name, *shape,
            ], cores),
            # Not on the command line, which is everybody's.
            env={**os.environ, "LOAD_KEY": key},
            check=False,
            stdout=subprocess.DEVNULL if quiet else None,
        )  # fmt: skip
        text = Path(out.name).read_text()
        return done.returncode, json.loads(text) if text else {"rows": [], "seconds": 0.0, "late_p99": 0.0}


if __name__ == "__main__":
    sys.exit(main())
