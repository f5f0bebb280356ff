"""`make bench`: every claim in a process of its own, one result file, and the pages' tables from it."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks import environment, machine, photos, results, text
from lfw_eval.data import DataError

# Each is a script of this folder that runs alone, too.
CLAIMS = (
    "photo_to_decision",
    "stages",
    "networks",
    "cosine_pair",
    "cosine_rows",
    "cosine_block",
    "normalize",
    "search",
    "gallery",
    "batch",
    "over_http",
    "start",
)


def main() -> int:
    """The exit code is 1 if a claim could not be measured or a strict one got a wrong answer."""
    environment.enter()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a short run that only tests the benchmark")
    parser.add_argument(
        "--data", type=Path, help="folder of LFW; GOVID_LFW_DIR if left out; else the samples"
    )
    parser.add_argument(
        "--out", type=Path, help="result file; the folder results/ if left out, none if quick"
    )
    parser.add_argument("--publish", action="store_true", help="only write the pages from the newest result")
    given = parser.parse_args()
    if given.publish:
        return _publish()
    data = given.data or environment.lfw()
    try:
        photos.questions(data, 1)
    except DataError as error:
        parser.error(str(error))
    load_before = os.getloadavg()[0]
    tables, failed = _measured(quick=given.quick, data=data)
    if failed:
        print(f"not measured: {', '.join(failed)}", file=sys.stderr)
        return 1
    here = machine.this_machine()
    now = dt.datetime.now(dt.UTC)
    result = results.Result(
        date=now.isoformat(timespec="seconds"),
        commit=machine.commit(),
        load_before=round(load_before, 2),
        quick=given.quick,
        photos=photos.described(data),
        machine=here,
        versions=machine.versions(),
        tables=tables,
    )
    out = given.out or (None if given.quick else results.FOLDER / f"{here.slug}-{now:%Y-%m-%d}.json")
    if out:
        results.write(result, out)
    if out and out.parent == results.FOLDER:
        return _publish()
    return 0


def _measured(*, quick: bool, data: Path | None) -> tuple[list[results.Table], list[str]]:
    """All tables, and the claims that failed. The others still run: one failure hides no other."""
    tables: list[results.Table] = []
    failed = []
    with tempfile.TemporaryDirectory(prefix="govid-bench-") as folder:
        for claim in CLAIMS:
            out = Path(folder) / f"{claim}.json"
            command = [sys.executable, "-m", f"benchmarks.{claim}", "--json", str(out)]
            command += ["--quick"] if quick else []
            command += ["--data", str(data.absolute())] if data else []
            if subprocess.run(command, cwd=environment.ROOT, check=False).returncode:
                failed.append(claim)
            else:
                tables += msgspec.json.decode(out.read_bytes(), type=list[results.Table])
    return tables, failed


def _publish() -> int:
    result = results.newest()
    if result is None:
        print("there is no result file", file=sys.stderr)
        return 1
    text.publish(result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
