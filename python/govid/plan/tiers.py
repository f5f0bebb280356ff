"""What each tier needs for N references of d dimensions: the bytes of the indexes that govid builds.

float32 has 4 d bytes, int8 d. IVF packs two dimensions into 4 bits. HNSW has d bytes of codes, twice its
links of 4 bytes on the ground floor and few above. Ids and flags are 9 bytes in govid's own galleries.
"""

from __future__ import annotations

import math

from govid.gallery import choose, ivf
from govid.plan import Request, TierPlan
from govid.plan.machine import LINKS, SEARCH_EFFORT, Machine
from govid.plan.steps import Sheet, number

_ID_BYTES = 9
_IVF_ROUNDS, _IVF_SAMPLE = 8, 64
"""Of k-means: rounds, and training vectors a cell."""
MILVUS_LINKS = 16
# hnswlib in Milvus: links of 4 bytes and their count on the ground floor; half as many on the floors above,
# each with a 16th of the references below; a pointer to these, and a label; key and time of the row.
MILVUS_BYTES = (2 * MILVUS_LINKS * 4 + 4) + (MILVUS_LINKS * 4 + 4) / (MILVUS_LINKS - 1) + 8 + 8 + 16

_TOO_LARGE = (
    "It does not exist in this size: a replica exceeds one node, and govid spreads none of its own tiers over"
    " nodes. Take larger nodes, or Milvus."
)


def plans(request: Request, machine: Machine) -> tuple[TierPlan, ...]:
    """All tiers, the exact ones first."""
    work = _Work(request, machine)
    return (
        work.exact(),
        work.int8(),
        work.ivf(),
        work.hnsw(),
        work.milvus("milvus-hnsw", 4, "float32"),
        work.milvus("milvus-hnsw-sq8", 1, "SQ8"),
    )


class _Work:
    """The lines that tiers share. Each tier has a sheet of its own."""

    def __init__(self, request: Request, machine: Machine) -> None:
        self._request, self._machine = request, machine
        self._n, self._d = request.references, request.dimension

    def exact(self) -> TierPlan:
        n, d, sheet = self._n, self._d, Sheet()
        formula = f"{number(n)} x ({d} x 4 + {_ID_BYTES}) B"
        each = self._nodes(sheet, sheet.line("memory", formula, self._memory("exact"), "bytes"))
        self._scan(sheet, 4 * n * d / each, self._machine.scan_float32)
        self._fill(sheet, n / each)
        return self._own("exact", sheet, "No index: nobody is missed.")

    def int8(self) -> TierPlan:
        n, d, sheet = self._n, self._d, Sheet()
        formula = f"{number(n)} x ({d} + {_ID_BYTES}) B"
        each = self._nodes(sheet, sheet.line("memory", formula, self._memory("int8"), "bytes"))
        self._vectors(sheet)
        self._scan(sheet, n * d / each, self._machine.scan_int8)
        self._fill(sheet, n / each)
        return self._own("int8", sheet, "Candidates are scored again from full vectors on disk.")

    def ivf(self) -> TierPlan:
        n, d, sheet = self._n, self._d, Sheet()
        code = math.ceil(d / 4) + 8
        formula = f"{number(n)} x ({code} x 1.1 + {_ID_BYTES}) B + the centres of its cells"
        each = self._nodes(sheet, sheet.line("memory", formula, self._memory("ivf"), "bytes"))
        self._vectors(sheet)
        here, share = n / each, self._request.ivf_share
        cells = sheet.line(
            "cells",
            f"power of two next to 1.5 x sqrt({number(here)})",
            ivf.cells(round(here)),
        )
        codes, scan = self._scaled(self._machine.ivf_codes), self._scaled(self._machine.scan_float32)
        search = sheet.line(
            "search",
            f"{number(here)} x {number(share)} / {number(codes)} codes/s"
            f" + 4 x {number(cells)} cells x {d} B / {number(scan)} B/s",
            here * share / codes + 4 * cells * d / scan,
            "seconds",
        )
        self._p99(sheet, search)
        block = self._scaled(self._machine.block_float32)
        sheet.line(
            "build",
            f"({number(here)} + {_IVF_ROUNDS} x {_IVF_SAMPLE} x {number(cells)}) x {number(cells)} cells"
            f" x {d} / {number(block)} multiply-adds/s",
            (here + _IVF_ROUNDS * _IVF_SAMPLE * cells) * cells * d / block,
            "seconds",
        )
        return self._own(
            "ivf",
            sheet,
            "Recall is measured at each build, and decides what share of the cells is looked into.",
        )

    def hnsw(self) -> TierPlan:
        n, d, sheet = self._n, self._d, Sheet()
        formula = f"{number(n)} x ({d} + 2 x {LINKS} x 4 + 16 + {_ID_BYTES}) B"
        each = self._nodes(sheet, sheet.line("memory", formula, self._memory("hnsw"), "bytes"))
        self._vectors(sheet)
        self._walk(sheet, n / each)
        return self._own(
            "hnsw",
            sheet,
            f"{SEARCH_EFFORT} candidates in hand; steps grow with log N, and what is measured fits a cache:"
            " the least to expect. Recall is measured at each build.",
        )

    def milvus(self, tier: str, bytes_each: int, words: str) -> TierPlan:
        n, d, sheet = self._n, self._d, Sheet()
        formula = f"{number(n)} x ({d} x {bytes_each} + {MILVUS_BYTES:.1f}) B"
        memory = sheet.line("memory", formula, n * (d * bytes_each + MILVUS_BYTES), "bytes")
        # Its object store holds rows and index once for all replicas.
        sheet.line("disk", f"{number(n)} x {d} x 4 B + {number(memory)} B", 4 * n * d + memory, "bytes")
        self._walk(sheet, n / self._nodes(sheet, memory))
        return _plan(
            tier,
            sheet,
            f"HNSW with M {MILVUS_LINKS} over {words}. Times are those of the tier hnsw, without the way"
            " through Milvus: measure yours.",
            self._request.replicas,
            spreads=True,
        )

    def _own(self, tier: str, sheet: Sheet, note: str) -> TierPlan:
        """A tier that lives in one process."""
        return _plan(tier, sheet, note, self._request.replicas)

    def _memory(self, tier: choose.Tier) -> float:
        """Bytes as the gallery counts them when it chooses a tier; the formulas beside it say the same."""
        return choose.memory_bytes(tier, round(self._n), self._d, on_disk=tier != "exact")

    def _vectors(self, sheet: Sheet) -> None:
        formula = f"{number(self._n)} x {self._d} x 4 B: full vectors to score again"
        sheet.line("disk", formula, 4 * self._n * self._d, "bytes")

    def _nodes(self, sheet: Sheet, memory: float) -> int:
        """Nodes of one replica; the sheet has those of all."""
        request = self._request
        each = math.ceil(memory / request.node_bytes)
        sheet.line(
            "nodes",
            f"ceil({number(memory)} B / ({request.node_gib:g} GiB x {request.usable:g}))"
            f" x {request.replicas} replicas",
            each * request.replicas,
            "nodes",
        )
        return each

    def _scan(self, sheet: Sheet, here: float, rate: float) -> None:
        scaled = self._scaled(rate)
        search = sheet.line("search", f"{number(here)} B / {number(scaled)} B/s", here / scaled, "seconds")
        self._p99(sheet, search)

    def _fill(self, sheet: Sheet, here: float) -> None:
        rate = self._machine.store_reads
        formula = f"{number(here)} / {number(rate)} references/s out of the store, one core"
        sheet.line("build", formula, here / rate, "seconds")

    def _walk(self, sheet: Sheet, here: float) -> None:
        machine, cores = self._machine, self._request.node_cores
        growth = max(1.0, math.log(max(here, 2)) / math.log(machine.hnsw_rows))
        logs = f"log {number(here)} / log {number(machine.hnsw_rows)}"
        search = sheet.line(
            "search", f"{number(machine.hnsw_search)} s x {logs}", machine.hnsw_search * growth, "seconds"
        )
        self._p99(sheet, search)
        sheet.line(
            "build",
            f"{number(here)} x {number(machine.hnsw_insert)} s x {logs} / {cores} cores",
            here * machine.hnsw_insert * growth / cores,
            "seconds",
        )

    def _p99(self, sheet: Sheet, search: float) -> None:
        spread = self._machine.spread
        sheet.line("p99", f"{number(search)} s x {number(spread)}", search * spread, "seconds")

    def _scaled(self, rate: float) -> float:
        """A rate of this machine on a node's cores."""
        return rate * self._request.node_cores / self._machine.cores


def _plan(tier: str, sheet: Sheet, note: str, replicas: int, *, spreads: bool = False) -> TierPlan:
    values = {step.name: step.value for step in sheet.steps}
    exists = spreads or values["nodes"] <= replicas
    return TierPlan(
        tier=tier,
        memory_bytes=values["memory"],
        disk_bytes=values.get("disk", 0.0),
        nodes=int(values["nodes"]),
        exists=exists,
        build_seconds=values["build"],
        p99_seconds=values["p99"],
        steps=tuple(sheet.steps),
        note=note if exists else f"{note} {_TOO_LARGE}",
    )
