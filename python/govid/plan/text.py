"""A plan as text: a table first, then the arithmetic behind each number in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from govid.plan import Plan, Step, TierPlan
from govid.plan.machine import Machine
from govid.plan.steps import duration, number, shown

_NOT_BUILT = "*"


def text(plan: Plan, machine: Machine) -> str:
    """Everything, for people."""
    return "\n".join(_lines(plan, machine))


def _lines(plan: Plan, machine: Machine) -> Iterator[str]:
    request = plan.request
    yield (
        f"N = {number(request.subjects)} subjects x {number(request.references_each)} = "
        f"{number(request.references)} references of {request.dimension} values, FPIR {number(request.fpir)}"
    )
    yield (
        f"nodes of {request.node_gib:g} GiB, {request.usable:g} of it usable, {request.node_cores} cores; "
        f"{request.replicas} replicas"
    )
    yield ""
    yield f"{'tier':16} {'memory':>10} {'disk':>10} {'nodes':>6} {'build':>12} {'p99':>12}"
    for tier in plan.tiers:
        yield (
            f"{tier.tier:16} {shown(tier.memory_bytes, 'bytes'):>10} {shown(tier.disk_bytes, 'bytes'):>10} "
            f"{_nodes(tier):>6} {duration(tier.build_seconds):>12} {duration(tier.p99_seconds):>12}"
        )
    yield "memory and disk of one replica, nodes of all; p99 of a search alone on its nodes"
    if not all(tier.exists for tier in plan.tiers):
        yield f"{_NOT_BUILT} does not exist: a replica exceeds one node, and only Milvus spreads over nodes"
    yield from _block("Error rates", plan.rates)
    yield from (f"  {line}" for line in plan.consequences)
    yield from _block("Record store", plan.store)
    yield from _block("Dedup, everybody with everybody", plan.dedup)
    for tier in plan.tiers:
        yield from _block(tier.tier, tier.steps)
        yield f"  {tier.note}"
    yield from _block(f"Measured on this machine ({machine.isa}) at {machine.measured_at}", plan.constants)
    yield "  Rates grow with --node-cores, which memory's may not. Measure on an idle node with --measure."


def _nodes(tier: TierPlan) -> str:
    return f"{tier.nodes}" if tier.exists else f"{tier.nodes}{_NOT_BUILT}"


def _block(title: str, steps: Iterable[Step]) -> Iterator[str]:
    yield ""
    yield title
    for step in steps:
        yield f"  {step.name:20} {step.formula} = {shown(step.value, step.unit)}"
