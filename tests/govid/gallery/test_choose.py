from __future__ import annotations

import pytest

from govid.gallery.choose import memory_bytes, plan, usable_memory

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("references", "budget", "tier", "on_disk"),
    [
        (0, GB, "exact", False),
        (100_000, GB, "exact", False),
        (1_000_000, GB, "int8", False),
        (1_000_000, 200_000_000, "int8", True),
        (10_000_000, 8 * GB, "ivf", False),
        (10_000_000, 2_500_000_000, "ivf", True),
        (10_000_000, 1, "ivf", True),  # nothing fits: the least of all
    ],
)
def test_size_and_memory_choose(references: int, budget: int, tier: str, on_disk: bool) -> None:
    chosen = plan(references, 128, budget)
    assert (chosen.tier, chosen.on_disk) == (tier, on_disk)
    assert chosen.disk_bytes == (references * 128 * 4 if on_disk else 0)


def test_an_operator_overrides() -> None:
    assert plan(10, 128, GB, "hnsw").tier == "hnsw"
    assert plan(10_000_000, 128, GB, "exact").memory_bytes > 5 * GB
    assert (plan(1_000_000, 128, GB // 2, "hnsw").on_disk, plan(1_000_000, 128, GB, "hnsw").on_disk) == (1, 0)


def test_the_arithmetic() -> None:
    assert memory_bytes("exact", 1000, 128, on_disk=False) == 1000 * (9 + 512)
    assert memory_bytes("int8", 1000, 128, on_disk=True) == 1000 * (9 + 128)
    assert memory_bytes("ivf", 10_000_000, 128, on_disk=True) < 600_000_000
    assert usable_memory() > 1 << 28
