"""Debian's Prometheus as the tests start it: a program of its own on a free port, with a temporary folder."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import ROOT

RULES = ROOT / "deploy" / "prometheus"


def program(name: str) -> str:
    """``prometheus`` or ``promtool``; skips the test where they cannot be had."""
    found = shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if found is None:
        pytest.skip(f"no {name}: scripts/setup.sh dev fetches it out of Debian's package")
    return found


class Prometheus:
    """The HTTP API of a running one."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        """The ``data`` of an answer; an AssertionError with Prometheus' words if it is none."""
        reply = self._client.get(f"/api/v1/{path}", params=parameters).json()
        assert reply["status"] == "success", reply
        return reply["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The series of an instant query."""
        return list(self.get("query", query=expression)["result"])

    def wait_for(self, expression: str, seconds: float = 30) -> list[dict[str, Any]]:
        """The series of a query once there are some."""
        deadline = time.monotonic() + seconds
        while not (found := self.query(expression)):
            assert time.monotonic() < deadline, f"nothing for {expression}"
            time.sleep(0.1)
        return found


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[Prometheus]:
    """One that scrapes ``target`` (host:port) as job govid each second, with the rules of deploy/."""
    for name in ("recording.yml", "alerts.yml"):
        (folder / name).write_text((RULES / name).read_text())
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        "rule_files: [recording.yml, alerts.yml]\n"
        f"scrape_configs: [{{job_name: govid, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={address}",
            ],
            stdout=log,
            stderr=log,
        )
        try:
            deadline = time.monotonic() + 30
            while True:
                assert process.poll() is None, (folder / "prometheus.log").read_text()
                try:
                    if httpx.get(f"http://{address}/-/ready", trust_env=False).status_code == 200:
                        break
                except httpx.TransportError:
                    assert time.monotonic() < deadline, (folder / "prometheus.log").read_text()
                time.sleep(0.05)
            with httpx.Client(base_url=f"http://{address}", timeout=30, trust_env=False) as client:
                yield Prometheus(client)
        finally:
            process.terminate()
            process.wait(timeout=20)
