"""All parts of a plan, in the order in which they are read."""

from __future__ import annotations

from govid.calibration import Calibration
from govid.plan import Plan, Request, Step
from govid.plan.machine import Machine
from govid.plan.rates import rates
from govid.plan.steps import Sheet, number
from govid.plan.tiers import plans


def plan(request: Request, machine: Machine, table: Calibration) -> Plan:
    """The plan for a request on nodes that compute like this machine, core for core."""
    fmr, consequences = rates(request, table)
    return Plan(
        request=request,
        constants=_constants(machine),
        rates=fmr,
        consequences=consequences,
        store=_store(request, machine),
        tiers=plans(request, machine),
        dedup=_dedup(request, machine),
    )


def _constants(machine: Machine) -> tuple[Step, ...]:
    sheet = Sheet()
    sheet.line("float32 scan", f"cosine_many, {machine.cores} cores", machine.scan_float32, "bytes/s")
    sheet.line("int8 scan", f"cosine_many_int8, {machine.cores} cores", machine.scan_int8, "bytes/s")
    sheet.line(
        "float32 blocks", f"cosine_block, {machine.cores} cores", machine.block_float32, "multiply-adds/s"
    )
    sheet.line(
        "int8 blocks", f"cosine_block_int8, {machine.cores} cores", machine.block_int8, "multiply-adds/s"
    )
    sheet.line("IVF lists", f"4-bit codes of FAISS, {machine.cores} cores", machine.ivf_codes, "codes/s")
    sheet.line("HNSW search", f"among {number(machine.hnsw_rows)}, one core", machine.hnsw_search, "seconds")
    sheet.line("HNSW insert", f"into {number(machine.hnsw_rows)}, one core", machine.hnsw_insert, "seconds")
    sheet.line("spread", "p99 of a float32 scan by its median", machine.spread)
    sheet.line("record", "of a reference in SQLite without its embedding", machine.store_bytes, "bytes")
    sheet.line("records in", "into SQLite, one core", machine.store_writes, "references/s")
    sheet.line("records out", "out of SQLite, one core", machine.store_reads, "references/s")
    return tuple(sheet.steps)


def _store(request: Request, machine: Machine) -> tuple[Step, ...]:
    sheet, n, d = Sheet(), request.references, request.dimension
    sheet.line(
        "disk",
        f"{number(n)} x ({d} x 4 + {number(machine.store_bytes)}) B",
        n * (4 * d + machine.store_bytes),
        "bytes",
    )
    sheet.line(
        "import of templates",
        f"{number(n)} / {number(machine.store_writes)} a second",
        n / machine.store_writes,
        "seconds",
    )
    return tuple(sheet.steps)


def _dedup(request: Request, machine: Machine) -> tuple[Step, ...]:
    """Everybody with everybody in int8, in blocks: the candidates alone are scored again in float32."""
    sheet, n, d = Sheet(), request.references, request.dimension
    pairs = sheet.line("pairs", f"{number(n)} x {number(n)} / 2", n * n / 2, "pairs")
    rate = machine.block_int8 * request.node_cores / machine.cores
    one = sheet.line(
        "one node", f"{number(pairs)} x {d} / {number(rate)} multiply-adds/s", pairs * d / rate, "seconds"
    )
    sheet.line("ten nodes", f"{number(one)} s / 10: they share one list of blocks", one / 10, "seconds")
    return tuple(sheet.steps)
