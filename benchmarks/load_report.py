"""`make load-report`: latency by rate of arrival, up to the capacity and beyond, as one HTML file.

The server has one core and the load generator another, where there are two. Measured first: what one thread
does in process on the server's core, and the rate of a closed loop over HTTP, which is the capacity. Then
people arrive at parts and multiples of that capacity, whatever becomes of those before. The exit code is 1
after any error that is not a 503 with Retry-After, and after any wrong decision; times decide nothing.
"""

from __future__ import annotations

import argparse
import base64
import datetime as dt
import hashlib
import os
import platform
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from benchmarks.load import load
from benchmarks.load_server import MODELS, pinned, served, split_cores
from govid.svg import Axis, Line, legend_key, line_chart

PARTS = (0.5, 0.8, 1.0, 1.5, 2.0)
CLOSED_USERS = 4
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #1a1a1a; }
body { max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid #ddd; padding: .25rem 1rem .25rem 0; text-align: right; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(24rem, 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; } svg.key { width: 36px; margin-right: .4rem; }
ul { list-style: none; padding: 0; } li { display: inline-block; margin-right: 1.5rem; }
"""


@dataclass(frozen=True)
class Step:
    """What one rate of arrival gave. Times in milliseconds, rates per second."""

    part: float
    rate: float
    answered: float
    refused: float
    errors: int
    p50: float
    p95: float
    p99: float
    late_p99: float
    rss: int
    """Resident bytes of the server at the end of the step."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, write the file, say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", default="verify", help="verify, identify, enrol, template or mixed")
    parser.add_argument("--seconds", type=float, default=20, help="of each step")
    parser.add_argument("--parts", type=float, nargs="+", default=PARTS, help="of the measured capacity")
    parser.add_argument("--authenticated", action="store_true", help="callers authenticate by an API key")
    parser.add_argument("--out", type=Path, default=Path("load-report.html"))
    asked = parser.parse_args(arguments)
    generator, server_cores = split_cores()
    in_process = _in_process_rate(asked.scenario, asked.seconds / 2, server_cores)
    failed = False
    with served(cores=server_cores, authenticated=asked.authenticated) as server:
        steps: list[Step] = []

        def run(**how: Any) -> tuple[int, dict[str, Any]]:  # noqa: ANN401
            return load(
                server.address,
                scenario=asked.scenario,
                seconds=asked.seconds,
                cores=generator,
                quiet=True,
                key=server.key,
                **how,
            )

        code, closed = run(users=CLOSED_USERS)
        failed |= code != 0
        capacity = _step(1.0, 0.0, closed, server.rss()).answered
        print(f"in process {in_process:.1f}/s, over HTTP {capacity:.1f}/s in a closed loop", flush=True)
        for part in asked.parts if capacity else ():
            code, outcome = run(rate=max(capacity * part, 0.5))
            failed |= code != 0
            steps.append(_step(part, capacity * part, outcome, server.rss()))
            print(_line(steps[-1]), flush=True)
        ready = server.ready_seconds
    if not steps:
        print("nothing was answered: no report")
        return 1
    page = as_html(asked.scenario, in_process, capacity, ready, steps)
    asked.out.write_text(page, encoding="utf-8")
    print(f"{asked.out} written" + (", with errors: see above" if failed else ""))
    return 1 if failed else 0


def _step(part: float, rate: float, outcome: dict[str, Any], rss: int) -> Step:
    rows = outcome["rows"]
    main_row = max(rows, key=lambda row: row["answered"], default={"p50": 0.0, "p95": 0.0, "p99": 0.0})
    seconds = outcome["seconds"] or 1.0
    return Step(
        part=part,
        rate=rate,
        answered=sum(row["answered"] for row in rows) / seconds,
        refused=sum(row["refused"] for row in rows) / seconds,
        errors=sum(row["errors"] for row in rows),
        p50=main_row["p50"],
        p95=main_row["p95"],
        p99=main_row["p99"],
        late_p99=outcome["late_p99"],
        rss=rss,
    )


def _line(step: Step) -> str:
    return (
        f"{step.part:4.2f} x capacity: {step.rate:7.1f}/s come, {step.answered:7.1f} answered, "
        f"{step.refused:7.1f} refused; p50 {step.p50:.1f}, p95 {step.p95:.1f}, p99 {step.p99:.1f} ms; "
        f"RSS {step.rss >> 20} MiB; {step.errors} errors"
    )


def _in_process_rate(scenario: str, seconds: float, cores: set[int]) -> float:
    """Calls per second of one thread on these cores, in a process of its own; 0 for a mixed scenario."""
    if scenario not in {"verify", "identify", "template"}:
        return 0.0
    done = subprocess.run(
        pinned([sys.executable, "-m", "benchmarks.load_in_process", scenario, str(seconds), MODELS], cores),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout)


def as_html(scenario: str, in_process: float, capacity: float, ready: float, steps: Sequence[Step]) -> str:
    """The report: it loads nothing and runs nothing."""
    digest = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    highest = max([step.p99 for step in steps] + [1.0])
    lowest = min([step.p50 for step in steps if step.p50] + [highest])
    rate = Axis("arrivals per second", 0, max(step.rate for step in steps) * 1.05)
    times = Axis("milliseconds", 10 ** _decade(lowest), 10 ** (_decade(highest) + 1), log=True)
    counts = Axis("per second", 0, max(step.rate for step in steps) * 1.05)
    latency = line_chart("latency by rate", rate, times, _lines(steps, "p50", "p95", "p99"))
    throughput = line_chart("answers by rate", rate, counts, _lines(steps, "answered", "refused"))
    rows = "".join(
        f"<tr><td>{s.part:g}</td><td>{s.rate:.1f}</td><td>{s.answered:.1f}</td><td>{s.refused:.1f}</td>"
        f"<td>{s.p50:.1f}</td><td>{s.p95:.1f}</td><td>{s.p99:.1f}</td><td>{s.late_p99:.1f}</td>"
        f"<td>{s.rss >> 20}</td><td>{s.errors}</td></tr>"
        for s in steps
    )
    share = (
        f" ({capacity / in_process:.0%} of one thread in process, {in_process:.1f}/s)" if in_process else ""
    )
    machine = f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {platform.platform()}"
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        f"<title>Load: {escape(scenario)}</title><style>{_STYLE}</style></head><body>"
        f"<h1>Load: {escape(scenario)}</h1>"
        f"<p>{dt.datetime.now(dt.UTC):%Y-%m-%d %H:%M} UTC, commit {escape(_commit())}, "
        f"{escape(machine)}, load average before the report {os.getloadavg()[2]:.1f}.</p>"
        "<p>The server has one core and the generator another. "
        f"Capacity, by a closed loop of {CLOSED_USERS}: {capacity:.1f}/s{share}. "
        f"Ready {ready:.1f} s after its start.</p>"
        f'<div class="charts"><figure>{latency}<ul>{_legend("p50", "p95", "p99")}</ul></figure>'
        f"<figure>{throughput}<ul>{_legend('answered', 'refused with Retry-After')}</ul></figure></div>"
        "<h2>Steps</h2><table><thead><tr><th>of capacity</th><th>come /s</th><th>answered /s</th>"
        "<th>refused /s</th><th>p50 ms</th><th>p95 ms</th><th>p99 ms</th><th>sent late, p99 ms</th>"
        f"<th>RSS MiB</th><th>errors</th></tr></thead><tbody>{rows}</tbody></table>"
        "<p>Arrivals are evenly spaced and wait for nobody. Times are of answered requests and count from "
        "the arrival, so that a generator that is late itself counts against the server; a refusal is a "
        "503 with Retry-After; every decision was checked.</p></body></html>\n"
    )


def _lines(steps: Sequence[Step], *names: str) -> list[Line]:
    came = [step.rate for step in steps]
    return [Line(name, came, [getattr(s, name) for s in steps], n) for n, name in enumerate(names)]


def _legend(*names: str) -> str:
    return "".join(f"<li>{legend_key(number)}{escape(name)}</li>" for number, name in enumerate(names))


def _decade(value: float) -> int:
    decade = 0
    while 10.0**decade > value:
        decade -= 1
    while 10.0 ** (decade + 1) <= value:
        decade += 1
    return decade


def _commit() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], check=False, capture_output=True, text=True
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    started = time.monotonic()
    code = main()
    print(f"{time.monotonic() - started:.0f} s")
    sys.exit(code)
