"""What the machine and the installed packages lack before a server with faces runs on them."""

from __future__ import annotations

import ctypes
import os
import re
import resource
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

_STA_UNSYNC = 0x40  # linux/timex.h: nobody disciplines the clock
_LEAST = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*\])?>=([0-9.]+)")


def missing(proc: Path = Path("/proc")) -> list[str]:
    """A line for each missing piece, with its remedy; what this kernel does not tell is left out."""
    return [
        *_process(),
        *_memory(proc),
        *_clock(),
        *outdated(metadata.requires("govid") or (), metadata.version),
    ]


def _process() -> Iterator[str]:
    if os.geteuid() == 0:
        yield "run by root: give the server a user of its own"
    if resource.getrlimit(resource.RLIMIT_CORE)[0] != 0:
        yield "core dumps are on, and one would hold faces: `ulimit -c 0`, or LimitCORE=0 in its systemd unit"


def _memory(proc: Path) -> Iterator[str]:
    swaps = _read(proc / "swaps").splitlines()[1:]
    if unsafe := [line.split()[0] for line in swaps if line.split() and "zram" not in line.split()[0]]:
        yield f"swap is on ({', '.join(unsafe)}) and may hold faces: swapoff, or encrypt it"
    if _read(proc / "sys/kernel/yama/ptrace_scope").strip() == "0":
        yield "any process of the same user may read the server's memory: sysctl kernel.yama.ptrace_scope=1"


def _clock() -> Iterator[str]:
    if (status := _clock_status()) is not None and status & _STA_UNSYNC:
        yield "the clock is not synchronised; tokens, locks and the audit go by it: run chrony or the like"


def _clock_status() -> int | None:
    """The kernel's ``time_status``, None where it cannot be asked."""
    # struct timex begins with modes, offset, freq, maxerror, esterror, status; 0 in modes only asks.
    asked = (ctypes.c_byte * 512)()
    try:
        answered = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(asked))
    except (OSError, AttributeError):
        return None
    word = ctypes.sizeof(ctypes.c_long)
    return None if answered < 0 else int.from_bytes(bytes(asked)[5 * word : 5 * word + 4], "little")


def outdated(requirements: Iterable[str], installed: Callable[[str], str]) -> Iterator[str]:
    """A line for each package that is older than govid asks for.

    Args:
        requirements: as in the metadata of a package: ``pillow>=11.3``; those of extras are left out.
        installed: the version of a package by its name; raises PackageNotFoundError.
    """
    for requirement in requirements:
        found = _LEAST.match(requirement)
        if found is None or "extra ==" in requirement:
            continue
        try:
            version = installed(found[1])
        except metadata.PackageNotFoundError:
            continue  # of another platform; an import says it better
        if _numbers(version) < _numbers(found[2]):
            yield f"{found[1]} {version} is older than {found[2]}, the least: install runtime.lock"


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
