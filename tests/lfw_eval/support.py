"""A data set of three photos, and the command run inside the process of the test."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from lfw_eval.__main__ import main
from lfw_eval.results import Estimate
from tests.support import BIDEN, MODELS, OBAMA, OBAMA_LATER

PAIRS = (
    "2\t1\nBarack_Obama\t1\t2\nBarack_Obama\t1\tJoe_Biden\t1\n"
    "Barack_Obama\t2\t1\nBarack_Obama\t2\tJoe_Biden\t1\n"
)


def write_tree(root: Path, *, pairs: str = PAIRS) -> Path:
    """LFW's layout with three photos; without ``pairs`` there is no list."""
    for name, photos in {"Barack_Obama": (OBAMA, OBAMA_LATER), "Joe_Biden": (BIDEN,)}.items():
        (root / "lfw" / name).mkdir(parents=True)
        for number, photo in enumerate(photos, start=1):
            (root / "lfw" / name / f"{name}_{number:04d}.jpg").write_bytes(photo)
    if pairs:
        (root / "pairs.txt").write_text(pairs)
    return root


def evaluate(*arguments: str | Path, **environment: str) -> Result:
    """Run the command; embeddings are not cached unless a data folder is named."""
    words = [str(argument) for argument in arguments]
    if "GOVID_DATA_DIR" not in environment:
        words.append("--no-cache")
    names: Mapping[str, str | None] = {
        "GOVID_LFW_DIR": None, "GOVID_DATA_DIR": str(MODELS.parent), **environment
    }  # fmt: skip
    # Progress bars of the runner's own stderr would race with its end.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["lfw_eval", *words])
        return CliRunner().invoke(main, words, env=names)


def certain(value: float = 0.0) -> Estimate:
    """A value with no width."""
    return Estimate(value=value, low=value, high=value)
