"""What a gallery of a given size needs: arithmetic that shows itself, over constants measured here."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked."""

    subjects: float
    references_each: Annotated[float, Meta(description="References of a subject, on average")] = 1.0
    dimension: int
    fpir: float
    node_gib: Annotated[float, Meta(description="Memory of a node in GiB")] = 256.0
    usable: Annotated[float, Meta(description="Part of it that a gallery may take")] = 0.7
    replicas: int = 2
    node_cores: int
    ivf_share: Annotated[float, Meta(description="Part of the cells that a search looks into")] = 1 / 16

    @property
    def references(self) -> float:
        """N: what a search goes through."""
        return self.subjects * self.references_each

    @property
    def node_bytes(self) -> float:
        """What a gallery may take of a node's memory."""
        return self.node_gib * 2**30 * self.usable


class Step(msgspec.Struct, frozen=True):
    """One line of arithmetic, to be checked by hand."""

    name: str
    formula: Annotated[str, Meta(description="With numbers in it")]
    value: float
    unit: Annotated[str, Meta(description="bytes, seconds, nodes, pairs; empty for a plain number")]


class TierPlan(msgspec.Struct, frozen=True, kw_only=True):
    """What one tier needs. Each value is the last step of its name."""

    tier: str
    memory_bytes: Annotated[float, Meta(description="Of one replica, over all its nodes")]
    disk_bytes: Annotated[float, Meta(description="Of one replica, beside the record store")]
    nodes: Annotated[int, Meta(description="Of all replicas")]
    exists: Annotated[
        bool,
        Meta(description="False: one node is too small, and govid spreads none of its own tiers over nodes"),
    ]
    build_seconds: float
    p99_seconds: Annotated[float, Meta(description="Of one search, alone on its nodes")]
    steps: tuple[Step, ...]
    note: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole answer."""

    request: Request
    constants: tuple[Step, ...]
    rates: tuple[Step, ...]
    consequences: tuple[str, ...]
    store: tuple[Step, ...]
    tiers: tuple[TierPlan, ...]
    dedup: tuple[Step, ...]
