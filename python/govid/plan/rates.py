"""Which error rate a search of this size asks of one comparison, and whether the calibration reaches it."""

from __future__ import annotations

from govid.calibration import Calibration
from govid.plan import Request, Step
from govid.plan.steps import Sheet, number


def rates(request: Request, table: Calibration) -> tuple[tuple[Step, ...], tuple[str, ...]]:
    """The arithmetic, and what follows from it in words.

    The same rule as in ``policy.decide_search``: each of N comparisons gets an N-th of
    the rate (union bound).
    """
    sheet, n = Sheet(), request.references
    needed = sheet.line("FMR needed", f"FPIR {number(request.fpir)} / {number(n)}", request.fpir / n)
    lowest = sheet.line("FMR supported", f"least rate that {table.calibration_id} can show", table.lowest_fmr)
    largest = sheet.line(
        "largest gallery", f"{number(request.fpir)} / {number(lowest)}", request.fpir / lowest, "references"
    )
    if needed >= lowest:
        return tuple(sheet.steps), (
            f"The calibration reaches this FMR at a score of {table.threshold(needed):.4f}:"
            " a search can end in MATCH.",
        )
    strangers = sheet.line(
        "strangers a search",
        f"{number(n)} x {number(lowest)}, at most",
        n * lowest,
        "above the strictest score",
    )
    pairs = sheet.line(
        "strangers in dedup",
        f"{number(n)} x {number(n)} / 2 x {number(lowest)}, at most",
        n * n / 2 * lowest,
        "pairs",
    )
    needs = 30 / needed
    return tuple(sheet.steps), (
        f"The calibration does not reach this FMR. Above {number(largest)} references no search ends in"
        " MATCH: candidates are INCONCLUSIVE and a person decides (adjudication).",
        f"At the strictest score it knows, up to {number(strangers)} strangers a search and {number(pairs)}"
        " pairs of strangers in a dedup job may pass and wait for a person; groups narrow a search.",
        f"To support it, calibrate with {number(needs)} non-mated comparisons (30 above the threshold)"
        f" of people like yours: some {number((2 * needs) ** 0.5)} photos of different people.",
    )
