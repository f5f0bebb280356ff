"""The long form of the fuzzing, guided by coverage: ``python -m tests.fuzz photo --minutes 10``.

Without names all parsers get the same time, one after the other. An input that is a finding is kept in
``var/fuzz/``; ``python -m tests.fuzz photo --input FILE`` runs it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from tests.support import ROOT

KEPT = ROOT / "var" / "fuzz"
NAMES = (
    *("photo", "structure", "template", "body", "archive"),
    *("manifest", "snapshot", "receipt", "token", "certificate"),
)


def fuzz(name: str, seconds: int) -> None:
    """Fuzz one parser in this process, which libFuzzer ends."""
    import atheris

    with atheris.instrument_imports(include=["govid", "server", "PIL", "multipart", "jwt"]):
        from tests.fuzz.targets import TARGETS, refused
    target = TARGETS[name]
    KEPT.mkdir(parents=True, exist_ok=True)
    corpus = mkdtemp()
    for number, seed in enumerate(target.seeds()):
        (Path(corpus) / str(number)).write_bytes(seed)
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=65536"]
    shown = ["-print_final_stats=1", "-verbosity=0", f"-artifact_prefix={KEPT}/{name}-"]
    atheris.Setup(["fuzz", *limits, *shown, corpus], lambda data: refused(target, data) and None)
    atheris.Fuzz()


def main() -> int:
    """Give each parser a process of its own; 1 if any had a finding."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="*", metavar="PARSER", help=f"of {', '.join(NAMES)}; all")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each parser")
    parser.add_argument("--input", type=Path, help="run a kept input again")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    # What a parser says to the log of a server is of no use here.
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    if chosen.input:
        from tests.fuzz.targets import TARGETS, refused

        print("refused" if refused(TARGETS[chosen.names[0]], chosen.input.read_bytes()) else "read")
        return 0
    if find_spec("atheris") is None:
        print("no atheris here, which Linux on x86-64 has: tests/fuzz/test_targets.py is the short form")
        return 1
    if chosen.here:
        fuzz(chosen.names[0], int(chosen.minutes * 60))
    findings = 0
    for name in chosen.names or NAMES:
        print(f"==> {name}", flush=True)
        command = [sys.executable, "-m", "tests.fuzz", name, "--here", "--minutes", str(chosen.minutes)]
        with TemporaryDirectory() as scratch:  # libFuzzer ends its process and tidies nothing
            ended = subprocess.run(command, cwd=ROOT, env={**os.environ, "TMPDIR": scratch}, check=False)
        findings += ended.returncode != 0
    return int(findings > 0)


if __name__ == "__main__":
    sys.exit(main())
