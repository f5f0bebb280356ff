"""Which tier for how many references and how much memory: the arithmetic, and nothing measured here."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from govid.gallery import hnsw, ivf
from govid.gallery.approximate import Method

Tier: TypeAlias = Literal["exact", "int8", "ivf", "hnsw"]

METHODS: dict[str, Method] = {"ivf": ivf, "hnsw": hnsw}

# The most bytes a search should read of each: about 5 ms and 20 ms of one core that others use, too.
EXACT_BYTES = 64 << 20
INT8_BYTES = 256 << 20
TIERS: tuple[Tier, ...] = ("exact", "int8", "ivf")
"""Those to choose from, by rising size. Not HNSW: it takes ten times as long to build, for more memory."""
SMALLEST_INDEX = 10_000
"""References below which no index is built: comparing all is faster."""
_ID_BYTES = 9
"""The id and the flag of a reference."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A tier, whether full vectors lie on disk, and what that needs."""

    tier: Tier
    on_disk: bool
    memory_bytes: int
    disk_bytes: int


@dataclass(frozen=True, slots=True)
class Rules:
    """What the operator and the policy want of a gallery.

    tier: None chooses one by size. budget: bytes. floor: least recall@1 of mated probes an index serves with.
    threshold_at: the score that counts as found among so many references, for FNIR.
    """

    tier: Tier | None
    budget: int
    floor: float
    threshold_at: Callable[[int], float]

    def plan(self, references: int, dimension: int) -> Plan:
        """The plan for that many references."""
        return plan(references, dimension, self.budget, self.tier)


def plan(references: int, dimension: int, budget: int, tier: Tier | None = None) -> Plan:
    """The fastest tier that fits the budget in bytes, with its full vectors in memory if they fit, too.

    Where nothing fits, the least of all: a gallery that outgrew its budget is better than none.

    Args:
        tier: the only one to consider.
    """
    tiers = (tier,) if tier else TIERS[TIERS.index(_fastest(references, dimension)) :]
    for candidate in tiers:
        for on_disk in (False,) if candidate == "exact" else (False, True):
            needed = memory_bytes(candidate, references, dimension, on_disk=on_disk)
            chosen = Plan(candidate, on_disk, needed, references * dimension * 4 if on_disk else 0)
            if needed <= budget:
                return chosen
    return chosen


def memory_bytes(tier: Tier, references: int, dimension: int, *, on_disk: bool) -> int:
    """Memory of a gallery once it is built; while an index is built anew, there are two of it."""
    held = references * _ID_BYTES + (0 if on_disk else references * dimension * 4)
    if tier == "int8":
        return held + references * dimension
    if tier == "exact":
        return held
    return held + METHODS[tier].index_bytes(references, dimension)


def _fastest(references: int, dimension: int) -> Tier:
    """The first tier with a search in good time, whatever its memory."""
    if references * dimension * 4 <= EXACT_BYTES:
        return "exact"
    return "int8" if references * dimension <= INT8_BYTES else "ivf"


def usable_memory() -> int:
    """Bytes this process may use: of the machine, or of its control group."""
    limit = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with suppress(OSError, ValueError):  # no control group, or "max"
        limit = min(limit, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    return limit
