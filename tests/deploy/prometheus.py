"""Debian's Prometheus as the tests start it: a program of its own on a free port, with a temporary folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import PATIENCE_SECONDS, ROOT, wait_until

RULES = ROOT / "deploy" / "prometheus"
_LISTENS = re.compile(r'"Listening on" address=(\S+)')


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

    def rules(self) -> list[dict[str, Any]]:
        """All rules with their health."""
        return [rule for group in self.get("rules")["groups"] for rule in group["rules"]]

    def alerts(self) -> set[str]:
        """Names of the alerts whose condition holds."""
        return {alert["labels"]["alertname"] for alert in self.get("alerts")["alerts"]}

    def wait_for(self, expression: str) -> list[dict[str, Any]]:
        """The series of a query once there are some."""
        deadline = time.monotonic() + PATIENCE_SECONDS
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
    with (folder / "prometheus.log").open("w") as log:
        process = subprocess.Popen(
            [
                program("prometheus"),
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                "--web.listen-address=127.0.0.1:0",
            ],
            stdout=log,
            stderr=log,
        )
        try:

            def address() -> list[str]:
                said = (folder / "prometheus.log").read_text()
                assert process.poll() is None, said
                return _LISTENS.findall(said)

            wait_until(address)
            with httpx.Client(
                base_url=f"http://{address()[0]}", timeout=PATIENCE_SECONDS, trust_env=False
            ) as client:
                wait_until(lambda: client.get("/-/ready").status_code == 200)
                yield Prometheus(client)
        finally:
            process.terminate()
            process.wait(timeout=PATIENCE_SECONDS)
