from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from govid import profiles
from govid.calibration import Calibration, load
from govid.config import Settings
from govid.faces import PIPELINE
from govid.plan import Request
from govid.plan.machine import Machine, measure, measured
from govid.plan.planner import plan
from govid.plan.steps import duration, named, number, shown
from govid.plan.text import text
from govid.plan.tiers import plans

MACHINE = Machine(
    dimension=128,
    measured_at="2026-01-01T00:00:00Z",
    isa="avx2",
    cores=2,
    scan_float32=10e9,
    scan_int8=10e9,
    block_float32=5e10,
    block_int8=1e11,
    ivf_codes=1e9,
    hnsw_rows=10_000,
    hnsw_search=1e-3,
    hnsw_insert=1e-3,
    spread=1.5,
    store_bytes=300,
    store_writes=50_000,
    store_reads=200_000,
)


def request(subjects: float, **fields: Any) -> Request:  # noqa: ANN401
    return Request(**{"subjects": subjects, "dimension": 128, "fpir": 1e-3, "node_cores": 2, **fields})


@pytest.fixture(scope="module")
def table() -> Calibration:
    return load(profiles.active(Settings())[0].model_id, Path("none"), pipeline=PIPELINE)


def test_a_larger_gallery_never_needs_less(table: Calibration) -> None:
    sizes = [10.0**power for power in range(10)]
    for tiers in zip(*(plans(request(size), MACHINE) for size in sizes), strict=True):
        for name in ("memory_bytes", "disk_bytes", "nodes"):
            values = [getattr(tier, name) for tier in tiers]
            assert values == sorted(values)
    # On one node; more nodes make each part smaller.
    for tiers in zip(*(plans(request(size, node_gib=1e9), MACHINE) for size in sizes), strict=True):
        for name in ("build_seconds", "p99_seconds"):
            values = [getattr(tier, name) for tier in tiers]
            assert values == sorted(values)
    pairs = [named(plan(request(size), MACHINE, table).dedup, "one node") for size in sizes]
    assert pairs == sorted(pairs)


@pytest.mark.parametrize(
    ("dimension", "tier", "gigabytes", "nodes"),
    # Computed elsewhere: nodes of 256 GiB, 70 % usable, 2 replicas. 256 values in float32 are 512 in float16.
    [(128, "milvus-hnsw", 951, 10), (128, "milvus-hnsw-sq8", 413, 6), (512, "milvus-hnsw-sq8", 951, 10),
     (256, "milvus-hnsw", 1668, 18)],
)  # fmt: skip
def test_1_4_billion_agree_with_the_arithmetic_of_the_cluster(
    dimension: int, tier: str, gigabytes: float, nodes: int
) -> None:
    (found,) = (one for one in plans(request(1.4e9, dimension=dimension), MACHINE) if one.tier == tier)
    assert found.memory_bytes == pytest.approx(gigabytes * 1e9, rel=0.01)
    assert found.nodes == nodes


def test_everybody_with_everybody_at_1_4_billion(table: Calibration) -> None:
    steps = plan(request(1.4e9), MACHINE, table).dedup
    assert named(steps, "pairs") == pytest.approx(9.8e17)
    assert named(steps, "one node") == pytest.approx(9.8e17 * 128 / 1e11)


def test_each_tier_is_the_arithmetic_it_shows(table: Calibration) -> None:
    exact, int8, *_ = plan(request(1e6, references_each=1.2), MACHINE, table).tiers
    assert exact.memory_bytes == 1.2e6 * (512 + 9)
    assert exact.p99_seconds == pytest.approx(1.2e6 * 512 / 10e9 * 1.5)
    assert int8.p99_seconds == pytest.approx(1.2e6 * 128 / 10e9 * 1.5)
    assert int8.disk_bytes == 1.2e6 * 512
    assert exact.build_seconds == pytest.approx(1.2e6 / 200_000)


def test_cores_of_a_node_share_the_work() -> None:
    few, many = (plans(request(1e9, node_cores=cores), MACHINE)[0].p99_seconds for cores in (2, 64))
    assert many == pytest.approx(few / 32)


def test_a_rate_the_calibration_cannot_show_leaves_matches_to_people(table: Calibration) -> None:
    small = plan(request(1000), MACHINE, table)
    assert named(small.rates, "FMR needed") == pytest.approx(1e-6)
    assert "can end in MATCH" in small.consequences[0]
    large = plan(request(1.4e9), MACHINE, table)
    assert named(large.rates, "largest gallery") == pytest.approx(1e-3 / table.lowest_fmr)
    assert "INCONCLUSIVE" in large.consequences[0]
    assert "no search ends in MATCH" in large.consequences[0]


def test_what_exceeds_a_node_exists_in_milvus_alone(table: Calibration) -> None:
    made = plan(request(1.4e9), MACHINE, table)
    assert {tier.tier: (tier.nodes, tier.exists) for tier in made.tiers} == {
        "exact": (8, False),
        "int8": (2, True),
        "ivf": (2, True),
        "hnsw": (6, False),
        "milvus-hnsw": (10, True),
        "milvus-hnsw-sq8": (6, True),
    }
    lines = text(made, MACHINE).splitlines()
    (exact,) = (line for line in lines if line.startswith("exact "))
    assert "8*" in exact.split()
    assert sum(line.startswith("* does not exist") for line in lines) == 1
    assert sum("does not exist in this size" in line for line in lines) == 2
    small = text(plan(request(1e6), MACHINE, table), MACHINE)
    assert "does not exist" not in small


def test_the_text_has_every_number_of_the_plan(table: Calibration) -> None:
    made = plan(request(1.4e9), MACHINE, table)
    lines = text(made, MACHINE)
    for tier in made.tiers:
        assert duration(tier.build_seconds) in lines
        for step in tier.steps:
            assert f"{step.formula} = {shown(step.value, step.unit)}" in lines


def test_a_measurement_is_kept_and_used_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = measure(16, scan_bytes=1 << 20, seconds=0.01)
    for name in Machine.__struct_fields__:
        value = getattr(quick, name)
        assert isinstance(value, str) or (math.isfinite(value) and value > 0), name
    calls = []
    monkeypatch.setattr("govid.plan.machine.measure", lambda dimension: calls.append(dimension) or quick)
    assert measured(16, tmp_path, anew=False) == measured(16, tmp_path, anew=False) == quick
    assert calls == [16]
    measured(16, tmp_path, anew=True)
    assert calls == [16, 16]
    for damaged in (b"{", msgspec.json.encode(msgspec.structs.replace(quick, isa="another"))):
        (tmp_path / "plan" / "16.json").write_bytes(damaged)
        assert measured(16, tmp_path, anew=False) == quick
    assert len(calls) == 4


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [(0.0005, "seconds", "0.5 ms"), (90, "seconds", "1.5 min"), (2e9, "bytes", "2 GB"),
     (1.4e9, "", "1.4e+09"), (0, "bytes", "0 B"), (3, "nodes", "3 nodes"), (13e9, "bytes/s", "13 GB/s")],
)  # fmt: skip
def test_numbers_are_shown_in_a_unit_that_suits_them(value: float, unit: str, words: str) -> None:
    assert shown(value, unit) == words
    assert number(12345) == "12,345"
