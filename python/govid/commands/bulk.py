"""``govid import`` and ``govid export``: many subjects at once."""

from __future__ import annotations

import gc
import sys
import threading
from contextlib import ExitStack
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

import click
from tqdm import tqdm

from govid import config, cores
from govid.commands.context import json_option, model_settings, settings_of, show, store

if TYPE_CHECKING:
    from govid.bulk import Source
    from govid.bulk.importer import Summary
    from govid.bulk.names import SubjectFrom
    from govid.faces import FacePipeline
    from govid.types import Sample

Format = Literal["folder", "tar", "ndjson"]
_TAR = (".tar", ".tar.gz", ".tgz")


class _LazyFaces:
    """Models are loaded with the first photo: an import of templates needs none."""

    def __init__(self, settings: config.Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._faces: FacePipeline | None = None

    def sample(self, photo: bytes) -> Sample:
        with self._lock:
            if self._faces is None:
                from govid.faces import FacePipeline

                self._faces = FacePipeline(self._settings)
        return self._faces.sample(photo, keep=self._settings.keep_photos_days > 0)


@click.command(name="import")
@click.argument("source", type=click.Path(exists=True, allow_dash=True, path_type=Path))
@click.option("--format", "given", type=click.Choice(get_args(Format)), help="Default: by the name.")
@click.option(
    "--subject-from",
    type=click.Choice(["file", "folder"]),
    default="file",
    show_default=True,
    help="Photos of a folder or tar: what names the subject, alice.jpg or alice/1.jpg.",
)
@click.option("--add", is_flag=True, help="Add references to subjects that are enrolled already.")
@click.option(
    "--results", type=click.Path(dir_okay=False, path_type=Path), help="Default: SOURCE.results.ndjson."
)
@click.option(
    "--workers", type=click.IntRange(1, 256), help="Photos embedded at once (default: one more than cores)."
)
@json_option
@click.pass_context
def import_command(
    context: click.Context,
    /,
    source: Path,
    given: Format | None,
    subject_from: SubjectFrom,
    add: bool,
    results: Path | None,
    workers: int | None,
    as_json: bool,
) -> None:
    """Enrol what SOURCE holds: a folder or tar of photos, or NDJSON (- for standard input).

    The same command again goes on where it stopped. Faces are not compared with each other or with those
    enrolled: a dedup job does it afterwards.
    """
    from govid import profiles
    from govid.bulk.importer import Importer
    from govid.bulk.journal import Journal
    from govid.migration.models import calibrations, check_settings

    # A batch is tens of thousands of objects without cycles; looking for some took a tenth of the time.
    gc.set_threshold(1_000_000)
    settings = model_settings(context)
    calibrations(settings)  # what may not decide here is not to fill the records either
    if results is None:
        if str(source) == "-":
            raise click.UsageError("--results is needed where the source is standard input")
        results = source.resolve().with_name(f"{source.resolve().name}.results.ndjson")
    with ExitStack() as stack:
        opened = _open(stack, source, given or _format(source), subject_from, add, settings)
        journal = stack.enter_context(Journal(results, opened.name))
        records = stack.enter_context(store(settings))
        check_settings(records, settings)
        importer = Importer(
            records,
            profiles.active(settings)[0],
            _LazyFaces(settings).sample,
            max_references=settings.max_references,
            keep_photos_days=settings.keep_photos_days,
            threads=workers or cores.for_photos(),
        )
        bar = stack.enter_context(tqdm(unit=" items", disable=None if not as_json else True))

        def progress(summary: Summary) -> None:
            bar.update(summary.items - bar.n)

        try:
            summary = importer.run(opened, journal, progress)
        except KeyboardInterrupt:
            click.echo("stopped after a batch; the same command goes on from there", err=True)
            sys.exit(130)
    show(summary, as_json, _text(summary, results))
    if summary.refused or summary.failed:
        from govid.cli import EXIT_REFUSED

        sys.exit(EXIT_REFUSED)


@click.command(name="export")
@click.argument("out", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@json_option
@click.pass_context
def export_command(context: click.Context, /, out: Path, as_json: bool) -> None:
    """Write all active subjects with their templates to OUT as NDJSON (- for standard output).

    Templates are biometric data: whoever has the file can recognise these people. It is made for its owner
    only; encrypt it before it leaves the machine, and delete it when done.
    """
    from govid.bulk.exporter import export, export_to

    with store(settings_of(context)) as records:
        to_terminal = str(out) == "-"
        exported = export(records, sys.stdout.buffer) if to_terminal else export_to(records, out)
    text = f"{exported.references:,} references of {exported.subjects:,} subjects; these are biometric data"
    if exported.held_left_out:
        text += f"; {exported.held_left_out:,} held subjects are left out"
    if to_terminal:
        click.echo(text, err=True)
    else:
        show(exported, as_json, text)


def _format(source: Path) -> Format:
    if source.is_dir():
        return "folder"
    return "tar" if source.name.lower().endswith(_TAR) else "ndjson"


def _open(
    stack: ExitStack,
    source: Path,
    kind: Format,
    subject_from: SubjectFrom,
    add: bool,
    settings: config.Settings,
) -> Source:
    from govid.bulk.archive import Archive
    from govid.bulk.folder import Folder
    from govid.bulk.manifest import Manifest

    limit = settings.photo_max_bytes
    if kind == "folder":
        if not source.is_dir():
            raise click.UsageError(f"{source} is no folder")
        return Folder(source, subject_from=subject_from, add=add, photo_max_bytes=limit)
    piped = str(source) == "-"
    if source.is_dir():
        raise click.UsageError(f"{source} is a folder")
    stream = sys.stdin.buffer if piped else stack.enter_context(source.open("rb"))
    assert isinstance(stream, BufferedReader)
    if kind == "tar":
        return Archive(stream, source.name, subject_from=subject_from, add=add, photo_max_bytes=limit)
    folder = None if piped else source.resolve().parent
    return Manifest(stream, source.name, folder=folder, add=add, photo_max_bytes=limit)


def _text(summary: Summary, results: Path) -> str:
    words = [f"{summary.enrolled:,} enrolled"]
    for number, word in (
        (summary.already_enrolled, "already enrolled"),
        (summary.refused, "refused"),
        (summary.failed, "failed"),
        (summary.done_earlier, "done in an earlier run"),
    ):
        if number:
            words.append(f"{number:,} {word}")
    rate = summary.items / summary.seconds if summary.seconds else 0
    text = f"{', '.join(words)}; {rate:,.0f} a second\n  each item: {results}"
    if summary.first_reference is not None:
        before = summary.first_reference - 1
        text += (
            "\n  faces were not compared with each other or with those enrolled:"
            f" `govid dedup start --since-reference {before}` does"
        )
    return text
