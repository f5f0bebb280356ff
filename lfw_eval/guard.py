"""Measure what a precision costs, on LFW View 1: ``python -m lfw_eval.guard``.

The model is that of the settings (GOVID_PROFILE, GOVID_PRECISION, GOVID_EMBEDDER). Without the record that
this writes, or with one that says too much is lost, no server of that model starts (``govid/guard.py``).
"""

from __future__ import annotations

import argparse
import datetime as dt
import platform
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np

from govid import _core, config
from govid.commands.context import written
from govid.doctor import cpu_name
from govid.errors import OperatorError
from govid.faces import FacePipeline
from govid.guard import PAIR_LIST, Loss, file_name
from lfw_eval.data import DataError, DataSet, locate
from lfw_eval.embeddings import embed_all
from lfw_eval.evaluate import pair_scores
from lfw_eval.metrics import accuracy
from lfw_eval.protocol import read_pairs


def measure(settings: config.Settings, data: DataSet, *, cache: bool, progress: bool) -> Loss:
    """Judge the same pairs in float32 and in the precision of the settings.

    Raises:
        DataError: the pair list is not there or another one, or too few of its pairs can be compared to show
            anything.
        OperatorError: a model is missing, or cannot multiply in the precision here.
    """
    pairs = read_pairs(data.root / PAIR_LIST, data)
    mated, fold = (np.array([getattr(pair, name) for pair in pairs]) for name in ("mated", "fold"))
    photos = sorted({photo for pair in pairs for photo in pair.photos})
    # The precision first, for it may not be had here.
    both = [FacePipeline(settings), FacePipeline(msgspec.structs.replace(settings, precision="float32"))]
    folder = settings.evaluation_dir if cache else None
    scores = [pair_scores(pairs, embed_all(faces, photos, folder, progress=progress)) for faces in both]
    found = {
        "model_id": both[0].model_id,
        "float32_model_id": both[1].model_id,
        "data_set": f"{data.photos.name}, {PAIR_LIST}",
        "data_set_digest": data.digest(photos),
        "created": dt.datetime.now(dt.UTC).date().isoformat(),
        "machine": f"{cpu_name()}, SIMD {_core.isa()}, {platform.system()}",
        "pairs": len(pairs),
        "compared": int(np.count_nonzero(~np.isnan(scores[0]))),
        "accuracy": accuracy(scores[0], mated, fold).mean,
        "float32_accuracy": accuracy(scores[1], mated, fold).mean,
    }
    try:
        return msgspec.convert(found, Loss)
    except msgspec.ValidationError as error:
        raise DataError(f"{PAIR_LIST}: {error}") from None


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; 1 as well where too much is lost, which the record then says."""
    parser = argparse.ArgumentParser(prog="python -m lfw_eval.guard", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder of LFW")
    parser.add_argument("--out", type=Path, help="folder of the record (default: <data-dir>/calibrations)")
    parser.add_argument("--cache", action="store_true", help="keep the templates for the next run")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args(arguments)
    try:
        (settings,) = config.load(config.Settings)
        if settings.precision == "float32":
            parser.error("GOVID_PRECISION names the precision that is held against float32")
        folder = config.private_folder(given.out or settings.calibrations_dir)
        loss = measure(settings, locate(given.data), cache=given.cache, progress=not given.json)
        with written(folder / file_name(loss.model_id)) as file:
            file.write(msgspec.json.format(msgspec.json.encode(loss)) + b"\n")
    except DataError as error:
        parser.exit(1, f"{error}\n")
    except OperatorError as error:
        parser.exit(1, f"{error.slug}: {error.detail}. {error.remedy}\n")
    print(msgspec.json.encode(loss).decode() if given.json else loss.text)  # noqa: T201
    return int(loss.too_much)


if __name__ == "__main__":
    sys.exit(main())
