"""One thread for everybody, and no setting of the caller's shell that would favour one of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "var" / "models"

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
_QUIET = {"OPENCV_LOG_LEVEL": "ERROR"}
# A kernel of OpenBLAS that the shell forces is not the one a user of numpy gets.
_UNSET = frozenset({"OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE"})
_KEPT = frozenset({"GOVID_ISA", "GOVID_LFW_DIR"})


def fair() -> dict[str, str]:
    """The environment every claim runs in: govid's settings are the defaults, too."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if name not in _UNSET and (name in _KEPT or not name.startswith(("GOVID_", "VERIFYFACE_")))
    }
    return mine | _ONE_THREAD | _QUIET


def enter() -> None:
    """Start this process anew in that environment, which libraries read while they are loaded."""
    wanted = fair()
    if dict(os.environ) != wanted:
        sys.stdout.flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], wanted)


def lfw() -> Path | None:
    """The folder of LFW, if the caller has it."""
    named = os.environ.get("GOVID_LFW_DIR")
    return Path(named) if named else None
