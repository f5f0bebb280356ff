"""The load tools, in short: they fail on errors and wrong decisions, never on time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.load_report import CLOSED_USERS
from tests.support import ROOT

# From one step beyond the capacity to the next: a leak of a photo for each request would be more.
MOST_GROWTH_MIB = 32


def ran(module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT, capture_output=True, text=True, timeout=600, check=False,
    )  # fmt: skip


@pytest.mark.slow
def test_beyond_the_capacity_there_is_no_error_no_lost_write_and_no_growth(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "report.html"
    # Two seconds fill so short a queue, also if the capacity was measured in a bad moment. Half of its places
    # are enough for the bodies of the callers of the closed loop.
    monkeypatch.setenv("GOVID_MAX_WAITING", str(2 * CLOSED_USERS))
    done = ran(
        "benchmarks.load_report", "--scenario", "mixed", "--seconds", "2", "--parts", "0.8", "4", "4",
        "--authenticated", "--out", str(out),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    refused = re.findall(r"([0-9.]+) refused", done.stdout)
    assert all(float(rate) > 0 for rate in refused[-2:]), done.stdout
    *_, first, second = (int(mib) for mib in re.findall(r"RSS (\d+) MiB", done.stdout))
    assert second - first < MOST_GROWTH_MIB, done.stdout
    page = out.read_text(encoding="utf-8")
    assert page.count("<svg") >= 2
    assert not re.search(r"<script|src=|href=|url\(|@import", page), "it loads nothing"


@pytest.mark.slow
def test_a_wrong_answer_is_an_error(tmp_path: Path) -> None:
    """Of a server that says 404 to everything: what a report must never call a success."""
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Wrong(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            answers = {"/v1/subjects": (201, b"{}"), "/v1/embed": (200, b'{"model_id":"m","embedding":""}')}
            status, body = answers.get(self.path, (200, b'{"decision":"NON_MATCH"}'))
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Wrong) as wrong:
        threading.Thread(target=wrong.serve_forever, daemon=True).start()
        host = f"http://127.0.0.1:{wrong.server_port}"
        done = ran(
            "benchmarks.load", "--host", host, "--scenario", "identify", "--seconds", "3", "--users", "1"
        )
        wrong.shutdown()
    assert done.returncode == 1, done.stdout + done.stderr
    assert "decision NON_MATCH, expected MATCH" in done.stdout
