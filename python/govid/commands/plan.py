"""``govid plan``: what a gallery of a given size needs."""

from __future__ import annotations

from pathlib import Path

import click

from govid.commands.context import json_option, model_settings, show


@click.command()
@click.option(
    "--subjects", type=click.FloatRange(min=1, max=1e12), required=True, help="People, for example 1.4e9."
)
@click.option(
    "--references",
    type=click.FloatRange(min=1, max=1000),
    default=1.0,
    show_default=True,
    help="Of each, on average.",
)
@click.option("--dim", type=click.IntRange(2, 4096), help="Values of a template (default: of the profile).")
@click.option(
    "--fpir",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=1e-3,
    show_default=True,
    help="Chance that a search for a stranger names anyone.",
)
@click.option(
    "--node-gib", type=click.FloatRange(min=1), default=256, show_default=True, help="Memory of a node."
)
@click.option(
    "--usable",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.7,
    show_default=True,
    help="Part of it for the gallery.",
)
@click.option("--replicas", type=click.IntRange(1, 100), default=2, show_default=True)
@click.option(
    "--node-cores", type=click.IntRange(1, 1024), help="Cores of a node (default: as many as here)."
)
@click.option(
    "--ivf-share",
    type=click.FloatRange(0, 1, min_open=True),
    default=1 / 16,
    show_default=True,
    help="Part of the cells an IVF search looks into.",
)
@click.option("--measure", "anew", is_flag=True, help="Measure this machine again (ten seconds).")
@json_option
@click.pass_context
def plan(
    context: click.Context,
    /,
    subjects: float,
    references: float,
    dim: int | None,
    fpir: float,
    node_gib: float,
    usable: float,
    replicas: int,
    node_cores: int | None,
    ivf_share: float,
    anew: bool,
    as_json: bool,
) -> None:
    """Memory, disk, nodes, build time and search time by tier, with the arithmetic.

    Times come from constants measured on this machine: at the first call, and again with --measure.
    """
    from govid import profiles
    from govid.calibration import load
    from govid.faces import PIPELINE
    from govid.plan import Request
    from govid.plan.machine import measured
    from govid.plan.planner import plan as planned
    from govid.plan.text import text

    settings = model_settings(context)
    profile = profiles.active(settings)[0]
    machine = measured(dim or profile.dimension, Path(settings.data_dir), anew=anew)
    request = Request(
        subjects=subjects,
        references_each=references,
        dimension=machine.dimension,
        fpir=fpir,
        node_gib=node_gib,
        usable=usable,
        replicas=replicas,
        node_cores=node_cores or machine.cores,
        ivf_share=ivf_share,
    )
    table = load(profile.model_id, settings.calibrations_dir, pipeline=PIPELINE)
    found = planned(request, machine, table)
    show(found, as_json, text(found, machine))
