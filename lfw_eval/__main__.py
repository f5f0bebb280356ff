"""``python -m lfw_eval``: accuracy of the pipeline that serves, by the View 2 protocol of LFW."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from govid import config
from govid.errors import GovidError
from govid.faces import FacePipeline
from lfw_eval.data import VIEW_2, DataError, locate
from lfw_eval.embeddings import embed_all
from lfw_eval.protocol import read_pairs
from lfw_eval.report import evaluate


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder of LFW (default: GOVID_LFW_DIR, else download)."
)
@click.option("--pairs", default=VIEW_2, show_default=True, help="Pair list inside the folder.")
@click.option("--cache/--no-cache", default=True, show_default=True, help="Keep embeddings between runs.")
@click.option(
    "--fail-under", type=click.FloatRange(0, 100), help="Exit with 1 below this accuracy in percent."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def main(data: Path | None, pairs: str, cache: bool, fail_under: float | None, as_json: bool) -> None:
    """Evaluate face verification on Labeled Faces in the Wild."""
    settings = config.load(config.Settings)[0]
    try:
        found = locate(data)
        listed = read_pairs(found.root / pairs, found)
        faces = FacePipeline(settings)
        photos = [photo for pair in listed for photo in (pair.first, pair.second)]
        folder = Path(settings.data_dir) / "lfw_eval" if cache else None
        report = evaluate(
            found.photos.name, listed, embed_all(faces, photos, folder, progress=not as_json), faces
        )
    except DataError as error:
        raise click.ClickException(str(error)) from None
    except GovidError as error:
        raise click.ClickException(f"{error.title}. {error.detail}. {error.remedy}") from None
    click.echo(msgspec.json.format(msgspec.json.encode(report)).decode() if as_json else report.text())
    if fail_under is not None and report.accuracy * 100 < fail_under:
        click.echo(f"below {fail_under} %", err=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
