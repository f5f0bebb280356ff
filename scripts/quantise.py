"""Measure the activation ranges of int8 anew, on LFW View 1 alone: `make ranges DATA=FOLDER`.

After a change of an embedder or of the alignment. Templates of int8 get another model id then, so that
`make calibrations` has to follow.
"""

import datetime as dt
from pathlib import Path

import click
import msgspec

from govid import models
from govid.config import Settings
from govid.embed import tensor_of
from govid.faces import FacePipeline
from govid.models import FR_FEATURE, SFACE
from govid.quantise.graph import WEIGHT_LEVELS
from govid.quantise.measure import bounds, layer_inputs
from govid.quantise.ranges import Ranges
from lfw_eval.crops import crop_of
from lfw_eval.data import VIEW_1_TRAIN, locate
from lfw_eval.protocol import read_pairs

TARGET = Path(__file__).parent.parent / "python" / "govid" / "ranges"


@click.command()
@click.option("--data", type=click.Path(exists=True, path_type=Path), help="Folder of LFW.")
@click.option("--photos", "wanted", default=300, show_default=True, help="How many of View 1's are used.")
def main(data: Path | None, wanted: int) -> None:
    """Write `python/govid/ranges/*.json`."""
    found = locate(data)
    listed = sorted({p for pair in read_pairs(found.root / VIEW_1_TRAIN, found) for p in pair.photos})
    photos = listed[:: max(1, len(listed) // wanted)][:wanted]
    faces = FacePipeline(Settings())
    crops = {photo: crop for photo in photos if (crop := crop_of(faces, photo)) is not None}
    for spec in (SFACE, FR_FEATURE):
        content = models.verified(spec, faces.settings.models_dir)
        names = layer_inputs(content)
        mean = bounds(content, names, (tensor_of(crop, spec) for crop in crops.values())).mean(axis=0)
        # Four digits: the last ones of a sum differ between machines, and the file has a digest.
        pairs = [(float(f"{low:.4g}"), float(f"{high:.4g}")) for low, high in mean]
        inputs = dict(zip(names, pairs, strict=True))
        ranges = Ranges(
            model_id=spec.model_id,
            model_digest=spec.digest,
            data_set=f"{found.photos.name}, {VIEW_1_TRAIN}",
            photos=len(crops),
            photos_digest=found.digest(list(crops)),
            method="mean over the photos of the least and greatest value of each tensor, in float32",
            created=dt.datetime.now(dt.UTC).date().isoformat(),
            weight_levels=WEIGHT_LEVELS,
            inputs=inputs,
        )
        file = TARGET / f"{spec.name}-{spec.version}.json"
        file.write_bytes(msgspec.json.format(msgspec.json.encode(ranges)) + b"\n")
        click.echo(f"{file}: {len(inputs)} tensors, {len(crops)} photos")


if __name__ == "__main__":
    main()
