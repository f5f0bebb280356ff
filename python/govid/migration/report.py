"""What a migration has come to: how far the new model reaches, and which decisions it would change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Annotated

import msgspec
from msgspec import Meta

from govid.config import Settings
from govid.store import migration, shadow
from govid.store.database import Connection
from govid.store.shadow import Pair, Sums
from govid.types import Decision

_Z = 1.959964
"""Of a 95 % interval."""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the decisions compared, with Wilson's 95 % interval."""

    count: int
    share: float | None
    lower: float
    upper: float


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions that were one thing and would have been another."""

    old: Decision
    new: Decision
    of_all: Share
    mean_old_score: float | None
    mean_new_score: float | None
    mean_old_fmr: Annotated[float | None, Meta(description="Geometric mean of the FMR at the scores")]
    mean_new_fmr: float | None


class UseCaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the new model would change in one use case."""

    use_case: str
    compared: int
    unchanged: Share
    changed: Share
    transitions: tuple[Transition, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """A migration."""

    migration_id: int
    state: str
    serving_model_id: str
    source_model_id: str
    source_settings: str
    target_model_id: str
    target_settings: str
    created_at: float
    ended_at: float | None
    references: int
    covered: int
    coverage: Annotated[float, Meta(description="Part of the references that the new model can be used for")]
    obstacles: Annotated[dict[str, int], Meta(description="References that need a new photo, by the reason")]
    not_embedded: Annotated[int, Meta(description="References that `govid migrate embed` has yet to reach")]
    compared: int
    changed: Share
    use_cases: tuple[UseCaseReport, ...]


def report(connection: Connection, now: migration.MigrationRow, fitting: Sequence[str]) -> Report:
    """The report of a migration."""
    covered = shadow.coverage(connection, fitting)
    counted = shadow.outcomes(connection, now.migration_id)
    names = sorted({pair.use_case for pair in counted})
    cases = tuple(
        _use_case(name, {pair: sums for pair, sums in counted.items() if pair.use_case == name})
        for name in names
    )
    compared = sum(case.compared for case in cases)
    return Report(
        migration_id=now.migration_id,
        state=now.state,
        serving_model_id=now.serving.model_id,
        source_model_id=now.source.model_id,
        source_settings=now.source.settings,
        target_model_id=now.target.model_id,
        target_settings=now.target.settings,
        created_at=now.created_at,
        ended_at=now.ended_at,
        references=covered.references,
        covered=covered.covered,
        coverage=covered.covered / covered.references if covered.references else 1.0,
        obstacles=covered.obstacles,
        not_embedded=covered.references - covered.covered - sum(covered.obstacles.values()),
        compared=compared,
        changed=share(sum(case.changed.count for case in cases), compared),
        use_cases=cases,
    )


def shortcomings(found: Report, settings: Settings) -> list[str]:
    """Why the new model should not take over yet, in words; nothing if it may."""
    said = []
    if found.state not in {"shadowing", "rolled_back"}:
        said.append(f"it is {found.state}: let `govid migrate embed` end first")
    if found.coverage < settings.migration_least_coverage:
        said.append(
            f"{found.references - found.covered} of {found.references} references have no template of the "
            f"new model, a coverage of {found.coverage:.4f} where {settings.migration_least_coverage:g} is "
            "asked for (migration_least_coverage): `govid migrate needs-photo` lists whom that concerns"
        )
    if found.compared < settings.migration_least_compared:
        said.append(
            f"{found.compared} decisions were compared where {settings.migration_least_compared} are asked "
            "for (migration_least_compared)"
        )
    most = settings.migration_most_changed
    if found.compared and found.changed.upper > most:
        said.append(
            f"the new model may change {found.changed.upper:.2%} of the decisions, {most:.2%} are allowed "
            "(migration_most_changed)"
        )
    said += [
        f"use case {case.use_case}: it changes at least {case.changed.lower:.2%} of the decisions, "
        f"{most:.2%} are allowed (migration_most_changed)"
        for case in found.use_cases
        if case.changed.lower > most
    ]
    return said


def share(count: int, total: int) -> Share:
    """``count`` of ``total``, with Wilson's interval, which holds for few and for none, too."""
    if not total:
        return Share(count=0, share=None, lower=0.0, upper=1.0)
    part = count / total
    middle = part + _Z**2 / (2 * total)
    half = _Z * math.sqrt(part * (1 - part) / total + _Z**2 / (4 * total**2))
    scale = 1 + _Z**2 / total
    lower = 0.0 if count == 0 else max(0.0, (middle - half) / scale)
    upper = 1.0 if count == total else min(1.0, (middle + half) / scale)
    return Share(count=count, share=part, lower=lower, upper=upper)


def _use_case(name: str, counted: dict[Pair, Sums]) -> UseCaseReport:
    total = sum(sums.compared for sums in counted.values())
    same = sum(sums.compared for pair, sums in counted.items() if pair.old_decision == pair.new_decision)
    transitions = tuple(
        _transition(old, new, counted.get(Pair(name, old.value, new.value)), total)
        for old, new in product(Decision, Decision)
        if old != new
    )
    return UseCaseReport(
        use_case=name,
        compared=total,
        unchanged=share(same, total),
        changed=share(total - same, total),
        transitions=transitions,
    )


def _transition(old: Decision, new: Decision, sums: Sums | None, total: int) -> Transition:
    n = sums.compared if sums else 0
    return Transition(
        old=old,
        new=new,
        of_all=share(n, total),
        mean_old_score=sums.old_score / n if sums else None,
        mean_new_score=sums.new_score / n if sums else None,
        mean_old_fmr=10 ** (sums.old_log_fmr / n) if sums else None,
        mean_new_fmr=10 ** (sums.new_log_fmr / n) if sums else None,
    )
