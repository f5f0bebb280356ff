"""``govid retention``: erase what is past its time, or say what would be."""

from __future__ import annotations

import sys
import time

import click

from govid.commands.context import json_option, settings_of, show, store


@click.group(name="retention")
def retention_group() -> None:
    """What is kept, and how long."""


@retention_group.command()
@click.option("--dry-run", is_flag=True, help="Count what is past its time, and change nothing.")
@click.option(
    "--trust-clock",
    is_flag=True,
    help="Go on although the records show nothing of more than 32 days, because nothing ran for so long.",
)
@json_option
@click.pass_context
def run(context: click.Context, /, dry_run: bool, trust_clock: bool, as_json: bool) -> None:
    """Erase what is past its time, as a server does by itself. A run that is stopped is gone on with.

    A dry run fails where a run would refuse, and counts all the same.
    """
    from govid.ledger.rotation import current_signer
    from govid.retention import Keeper
    from govid.store.audit import AuditLog
    from govid.use_cases import UseCases

    settings = settings_of(context)
    with store(settings) as records:
        log = AuditLog(records.database)
        keeper = Keeper(
            records.database,
            settings,
            UseCases.of(settings),
            lambda: current_signer(settings.signing_key, log),
        )

        def pause() -> bool:
            time.sleep(0.01)  # for whoever else writes
            return False

        if dry_run:
            result = keeper.due(trust_clock=trust_clock)
        else:
            result = keeper.run(pause, trust_clock=trust_clock)
    lines = [f"{name}: {count:,}" for name, count in result.erased.items() if count]
    lines += [f"decisions of {name}: {count:,}" for name, count in result.decisions.items() if count]
    lines = [f"{'would be erased' if dry_run else 'erased'}  {line}" for line in lines]
    lines += [
        f"too old  for {name}: {count:,} references; delete or enrol anew, nothing does it by itself"
        for name, count in result.references_too_old.items()
        if count
    ]
    lines = lines or ["nothing is past its time"]
    if refused := result.refused:
        lines.append(f"a run would refuse: {refused.slug}: {refused.detail}. {refused.remedy}")
    show(result, as_json, "\n".join(lines))
    if refused:
        sys.exit(1)
