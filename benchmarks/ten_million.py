"""A gallery of ten million in one process: how long it takes to build, its memory, its speed, whom it finds.

    python -m benchmarks.ten_million [--references 10000000] [--folder FOLDER]

Takes a quarter of an hour or more and 5 GB of disk, so `make bench` leaves it out.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import msgspec
import numpy as np
from tqdm import tqdm

from benchmarks import environment, templates
from govid.gallery import GalleryStats
from govid.gallery.choose import Rules
from govid.gallery.tiered import TieredGallery

_BUDGET = 2_500_000_000
_PROBES = 2000
_THRESHOLD = 0.5


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Milliseconds, and bytes of the process.

    Anonymous memory is all but pages of files, which the system takes back when it needs them.
    """

    references: int
    load_seconds: float
    build_seconds: float
    anonymous_bytes: int
    resident_bytes: int
    resident_peak_bytes: int
    search_p50: float
    search_p99: float
    mates_first: float
    insert_p99: float
    stats: GalleryStats


def measure(references: int, folder: Path) -> Report:
    """Fill, build, search mates one by one, insert."""
    rules = Rules(None, _BUDGET, 0.995, lambda _: _THRESHOLD)
    gallery = TieredGallery(templates.DIMENSION, "synthetic", rules, folder)
    start, added = time.perf_counter(), 0
    blocks = templates.people(references, seed=1)
    step = max(1, references // _PROBES)
    mates: list[int] = []
    chosen = []
    for number, looks in enumerate(tqdm(blocks, desc="add", total=-(-references // 65_536), disable=None)):
        gallery.add(range(added, added + len(looks)), templates.photos(looks, seed=2 * number))
        rows = np.arange(-added % step, len(looks), step)
        mates += (added + rows).tolist()
        chosen.append(looks[rows])
        added += len(looks)
    loaded = time.perf_counter()
    gallery.settle()
    built = time.perf_counter()
    probes = templates.photos(np.concatenate(chosen), seed=1)
    times, right = [], 0
    for mate, probe in zip(tqdm(mates, desc="search", disable=None), probes, strict=True):
        before = time.perf_counter()
        (hits,) = gallery.search(probe[None], 10)
        times.append(1e3 * (time.perf_counter() - before))
        right += hits[0].reference_id == mate
    inserts = []
    for i in range(min(1000, len(probes))):
        before = time.perf_counter()
        gallery.add([added + i], probes[i : i + 1])
        inserts.append(1e3 * (time.perf_counter() - before))
    return Report(
        references=references,
        load_seconds=loaded - start,
        build_seconds=built - loaded,
        anonymous_bytes=_status("RssAnon"),
        resident_bytes=_status("VmRSS"),
        resident_peak_bytes=_status("VmHWM"),
        search_p50=float(np.median(times)),
        search_p99=float(np.percentile(times, 99)),
        mates_first=right / len(mates),
        insert_p99=float(np.percentile(inserts, 99)),
        stats=gallery.stats(),
    )


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    (line,) = (line for line in lines if line.startswith(f"{name}:"))
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    environment.enter()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--references", type=int, default=10_000_000)
    parser.add_argument("--folder", type=Path, help="on a disk with 5 GB free; a temporary one if left out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        report = measure(given.references, Path(folder))
    print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
