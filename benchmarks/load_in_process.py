"""Calls per second of one thread in process: what a server on the same core is measured against.

python -m benchmarks.load_in_process SCENARIO SECONDS MODELS
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.load_requests import PHOTOS, REGISTERED, VERIFICATIONS
from govid import Engine, Settings
from govid.types import PackedTemplate


def main(scenario: str, seconds: float, models: Path) -> None:
    """Print the rate."""
    with tempfile.TemporaryDirectory(prefix="govid-load-") as scratch:
        shutil.copytree(models, Path(scratch) / "models")
        with Engine(Settings(data_dir=scratch)) as engine:
            for subject, photo in REGISTERED.items():
                engine.enrol(subject, PHOTOS[photo])
            call = _call(engine, scenario)
            for number in range(5):
                call(number)
            count, start = 0, time.perf_counter()
            while (spent := time.perf_counter() - start) < seconds:
                call(count)
                count += 1
            print(count / spent)


def _call(engine: Engine, scenario: str) -> Callable[[int], object]:
    live = PHOTOS["obama-2009"]
    if scenario == "identify":
        return lambda _: engine.identify(live)
    if scenario == "template":
        made = engine.embed(live)
        template = PackedTemplate(made.model_id, made.embedding)
        return lambda _: engine.verify("load-obama", template)
    return lambda number: engine.verify(VERIFICATIONS[number % 2][0], PHOTOS[VERIFICATIONS[number % 2][1]])


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]), Path(sys.argv[3]))
