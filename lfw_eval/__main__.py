"""``python -m lfw_eval``: error rates of the pipeline that serves, on LFW or on photos of your own."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from govid.errors import GovidError
from lfw_eval.data import VIEW_2, DataError
from lfw_eval.html import as_html
from lfw_eval.results import Evaluation
from lfw_eval.run import Options, run
from lfw_eval.text import as_text

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of LFW, or one with a sub-folder of photos per "
    "person (default: GOVID_LFW_DIR, else LFW is downloaded).",
)  # fmt: skip
@click.option("--pairs", default=VIEW_2, show_default=True, help="Pair list inside the folder.")
@click.option(
    "--compare", metavar="PROFILES", help="Profiles side by side, such as fast,high_assurance or "
    "fast,fast:int8 (default: the one of the settings).",
)  # fmt: skip
@click.option(
    "--model", type=click.Path(path_type=Path), help="An embedder: the name of a registered one (govid "
    "models list), a local .onnx file, or the .toml manifest of one.",
)  # fmt: skip
@click.option(
    "--dimension", type=click.IntRange(1, 8192), help="Length of the .onnx model's embedding (default: as "
    "the model states it).",
)  # fmt: skip
@click.option("--channels", type=click.Choice(["RGB", "BGR"]), default="RGB", show_default=True)
@click.option(
    "--mean", type=float, default=0.0, show_default=True, help="The model gets (pixel - mean) / scale."
)
@click.option("--scale", type=click.FloatRange(0, min_open=True), default=1.0, show_default=True)
@click.option(
    "--metadata", type=_FILE, help="CSV with a column person and others such as sex, age_band, region: "
    "all photos are compared with each other, and error rates given by group.",
)  # fmt: skip
@click.option(
    "--development",
    is_flag=True,
    help="Compare all photos of the people whom the pair list does not name: the data to choose and tune on.",
)
@click.option("--cache/--no-cache", default=True, show_default=True, help="Keep embeddings between runs.")
@click.option("--strict", is_flag=True, help="Stop at the first photo or pair that cannot be read.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), help="Exit with 1 if an accuracy in percent is lower."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--out", type=_FILE, help="Write the JSON object to a file.")
@click.option("--report", type=_FILE, help="Write one self-contained HTML file.")
@click.option("--show-faces", is_flag=True, help="Put the crops of the worst errors into the report.")
def main(**options: object) -> None:
    """Measure face verification: on the pair list of LFW, or all photos of a folder with each other."""
    given = msgspec.convert(options, Options)
    if given.show_faces and not given.report:
        raise click.UsageError("--show-faces needs --report, the file to show them in")
    try:
        evaluation, faces = run(given)
    except DataError as error:
        raise click.ClickException(str(error)) from None
    except GovidError as error:
        raise click.ClickException(f"{error.title}. {error.detail}. {error.remedy}") from None
    as_json = msgspec.json.format(msgspec.json.encode(evaluation))
    try:
        if given.out:
            given.out.write_bytes(as_json + b"\n")
        if given.report:
            given.report.write_text(as_html(evaluation, faces), encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    click.echo(as_json.decode() if given.as_json else as_text(evaluation))
    if given.fail_under is not None and _below(evaluation, given.fail_under):
        click.echo(f"below {given.fail_under} %", err=True)
        sys.exit(1)


def _below(evaluation: Evaluation, percent: float) -> bool:
    return any(
        result.pair_list is not None and result.pair_list.accuracy.value * 100 < percent
        for result in evaluation.pipelines
    )


if __name__ == "__main__":
    main()
