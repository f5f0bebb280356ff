"""One process, one decision: what `start.py` times from outside. Prints the decision and its memory."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path

from benchmarks.engines import decide
from benchmarks.processes import resident_mib


def main(name: str, reference: Path, probe: Path, *models: Path) -> None:
    """Load the engine of that file, alone, and compare two photos."""
    engine = importlib.import_module(f"benchmarks.engines.{name}").Engine(*models)
    same = decide(engine, engine.template(reference.read_bytes()), probe.read_bytes())
    print(json.dumps({"same": same, "mib": resident_mib("self")}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], *(Path(argument) for argument in sys.argv[2:]))
