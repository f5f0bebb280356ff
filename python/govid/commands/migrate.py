"""``govid migrate``: let another model run beside the one in use, compare them, cut over, roll back."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO, get_args

import click
import msgspec
from tqdm import tqdm

from govid import cores
from govid.audit import new_request_id
from govid.commands.context import json_option, model_settings, settings_of, show, store
from govid.profiles import Precision

if TYPE_CHECKING:
    from govid.migration.reembed import PhotoOf
    from govid.migration.report import Report, Share
    from govid.store import Store
    from govid.store.database import Connection

# Below whatever a person waits for on this machine, a server among it.
_NICE = 10
_LONGEST_REASON = 500


@click.group()
def migrate() -> None:
    """Change the model without enrolling everybody anew; see docs/migration.md."""


@migrate.command()
@click.option("--profile", type=click.Choice(["fast", "high_assurance"]), help="Of the new model.")
@click.option("--precision", type=click.Choice(get_args(Precision)), help="What it multiplies in.")
@click.option("--embedder", help="Of `fast`: a built-in one, or the path of a TOML manifest.")
@json_option
@click.pass_context
def start(context: click.Context, /, as_json: bool, **chosen: str | None) -> None:
    """Check the new model, and let servers make templates of it for new references from now on.

    What is not given is as in the settings, which name the model in use; where no settings name it any more,
    they name the new one.
    """
    from govid.config import Settings
    from govid.migration import steps

    settings = model_settings(context)
    given = {name: value for name, value in chosen.items() if value is not None}
    target = msgspec.convert({**msgspec.structs.asdict(settings), **given}, Settings)
    with store(settings) as opened:
        found = steps.start(opened, settings, target, new_request_id())
    show(found, as_json, _text(found))


@migrate.command()
@click.option("--threads", type=click.IntRange(1, 256), default=cores.for_photos,
              help="Photos embedded at once (default: one more than cores).")  # fmt: skip
@click.option("--rate", type=click.FloatRange(0), default=0.0, help="Most photos a second (default: all).")
@click.option("--again", is_flag=True, help="Also references whose photo was missing or refused before.")
@json_option
@click.pass_context
def embed(context: click.Context, /, threads: int, rate: float, again: bool, as_json: bool) -> None:
    """Make templates of the new model from kept photos. Interrupted or killed, the same command goes on.

    Several may run at once, on several machines.
    """
    from govid.faces import FacePipeline
    from govid.migration.models import fitting
    from govid.migration.models import settings_of as settings_for
    from govid.migration.reembed import Reembedder
    from govid.store import migration, shadow

    settings = settings_of(context)
    with store(settings) as opened:
        with opened.database.reading() as connection:
            target = settings_for(settings, migration.required(connection).target)
        faces = FacePipeline(target)
        if again:
            with opened.database.writing() as connection:
                shadow.forget_obstacles(connection)
        os.nice(_NICE)
        with tqdm(unit=" references", disable=True if as_json else None) as bar:
            worker = Reembedder(
                opened,
                fitting(target),
                lambda photo: faces.sample(photo).template,
                _photos(opened),
                threads=threads,
                per_second=rate,
                advance=bar.update,
            )
            done = worker.run(new_request_id())
    text = (
        f"{done.templates} templates made; {done.without_photo} references without a kept photo, "
        f"{done.refused} photos refused"
    )
    show(done, as_json, text)


@migrate.command()
@json_option
@click.pass_context
def report(context: click.Context, /, as_json: bool) -> None:
    """How far the new model reaches, and how many decisions it would change, by use case."""
    from govid.migration import steps

    settings = settings_of(context)
    with store(settings) as opened:
        found = steps.report(opened, settings)
    show(found, as_json, "\n".join([_text(found), *_decisions(found)]))


@migrate.command()
@json_option
@click.pass_context
def status(context: click.Context, /, as_json: bool) -> None:
    """Where the migration stands, and what a server has to be started with now."""
    from govid.migration import steps

    settings = settings_of(context)
    with store(settings) as opened:
        found = steps.report(opened, settings)
    show(found, as_json, _text(found))


@migrate.command(name="needs-photo")
@click.option("--out", type=click.File("w", encoding="utf-8"), default="-", help="A file (default: stdout).")
@click.option("--json", "as_json", is_flag=True, help="One JSON string a line.")
@click.pass_context
def needs_photo(context: click.Context, /, out: TextIO, as_json: bool) -> None:
    """Ids of the subjects that have a reference without a template of the new model, one a line."""
    from govid.migration.models import fitting
    from govid.migration.models import settings_of as settings_for
    from govid.store import migration, shadow

    settings = settings_of(context)
    with store(settings) as opened, opened.database.reading() as connection:
        target = settings_for(settings, migration.required(connection).target)
        for subject_id in shadow.uncovered(connection, fitting(target)):
            line = msgspec.json.encode(subject_id).decode() if as_json else subject_id
            out.write(f"{line}\n")


@migrate.command(name="cut-over")
@click.option("--force", metavar="REASON", help="Do it although requirements are not met; audited.")
@json_option
@click.pass_context
def cut_over(context: click.Context, /, force: str | None, as_json: bool) -> None:
    """Let the new model's templates count. Then start the servers anew with its settings."""
    from govid.migration import steps

    if force is not None and not 1 <= len(force.strip()) <= _LONGEST_REASON:
        raise click.UsageError(f"--force takes a reason of up to {_LONGEST_REASON} characters")
    settings = settings_of(context)
    with store(settings) as opened:
        found = steps.cut_over(opened, settings, new_request_id(), force)
    show(found, as_json, _text(found))


@migrate.command(name="roll-back")
@json_option
@click.pass_context
def roll_back(context: click.Context, /, as_json: bool) -> None:
    """Let the old model's templates count again. Then start the servers anew with its settings."""
    from govid.migration import steps

    settings = settings_of(context)
    with store(settings) as opened:
        found, lost = steps.roll_back(opened, settings, new_request_id())
    warning = f"\n  {lost} references have no template of the old model, and nobody is compared with them"
    show(found, as_json, _text(found) + (warning if lost else ""))


@migrate.command()
@json_option
@click.pass_context
def finish(context: click.Context, /, as_json: bool) -> None:
    """Erase the templates of the model that does not count. There is no way back from here."""
    from govid.migration import steps

    settings = settings_of(context)
    with store(settings) as opened:
        found = steps.finish(opened, settings, new_request_id())
    show(found, as_json, _text(found))


def _photos(opened: Store) -> PhotoOf:
    from govid.errors import PhotoNotKept

    def photo_of(connection: Connection, reference_id: int) -> bytes | None:
        try:
            return opened.photos.of_reference(connection, reference_id).photo.data
        except PhotoNotKept:
            return None

    return photo_of


def _text(found: Report) -> str:
    counts = (
        found.target_settings if found.serving_model_id == found.target_model_id else found.source_settings
    )
    text = (
        f"migration {found.migration_id} {found.state}: {found.source_model_id} -> {found.target_model_id}\n"
        f"  templates of {found.serving_model_id} count: start servers with {counts}"
    )
    if found.ended_at is not None:
        return text
    reasons = "".join(f"; {count} {reason}" for reason, count in found.obstacles.items())
    return (
        f"{text}\n  {found.covered} of {found.references} references have a template of the new model "
        f"({found.coverage:.2%}){reasons}; {found.not_embedded} not reached yet"
    )


def _decisions(found: Report) -> list[str]:
    if not found.compared:
        return ["  no decisions were compared: there was no verification by a photo while it was shadowing"]
    lines = [f"  {found.compared} decisions compared, {_share(found.changed)} changed"]
    for case in found.use_cases:
        lines.append(f"  {case.use_case}: {case.compared} compared, {_share(case.unchanged)} unchanged")
        lines += [
            f"    {transition.old} -> {transition.new}: {_share(transition.of_all)}"
            for transition in case.transitions
        ]
    return lines


def _share(one: Share) -> str:
    return f"{one.count} ({one.share or 0:.2%}, 95 % interval {one.lower:.2%} to {one.upper:.2%})"
