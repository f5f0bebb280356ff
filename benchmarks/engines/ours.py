"""govid: its stages, score and decision, without records."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.engines import Decided
from benchmarks.environment import MODELS
from benchmarks.peers import SkippedError
from govid import calibration, policy, use_cases
from govid.config import Settings
from govid.errors import PrecisionUnavailable, Refusal
from govid.faces import FacePipeline
from govid.score import compare_many
from govid.types import Decision, Template


def settings(folder: Path, **changes: Any) -> Settings:  # noqa: ANN401
    """govid's defaults, in a data folder of its own with the models of this tree."""
    (folder / "models").symlink_to(MODELS)
    return Settings(data_dir=str(folder), **changes)


def pipeline(folder: Path, precision: str = "float32") -> FacePipeline:
    """The default profile in a precision, which not every machine computes in.

    Raises:
        SkippedError: this one does not.
    """
    try:
        return FacePipeline(settings(folder, precision=precision))
    except PrecisionUnavailable as error:
        raise SkippedError(str(error)) from None


def verdict(decision: Decision) -> Decided:
    """INCONCLUSIVE leaves it to a person: no decision."""
    return {Decision.MATCH: True, Decision.NON_MATCH: False}.get(decision)


class Engine:
    """With the settings that are the default, but for the precision of the embedder."""

    setting = "profile fast: YuNet, fr_landmark, quality gates, SFace in float32; FMR 1e-4"
    setting_int8 = "the same with SFace in int8"
    setting_bfloat16 = "the same with SFace in bfloat16"

    def __init__(self, precision: str = "float32") -> None:
        with tempfile.TemporaryDirectory(prefix="govid-bench-") as folder:
            self.faces = pipeline(Path(folder), precision)
            self._calibration = calibration.load(self.faces.model_id, Path(folder), pipeline=self.faces.name)

    def template(self, photo: bytes) -> Template | None:
        try:
            return self.faces.sample(photo).template
        except Refusal:
            return None

    def same(self, reference: Template, probe: Template) -> Decided:
        score = float(compare_many(probe, [reference])[0])
        return verdict(policy.decide(score, 1, use_cases.shipped("general"), self._calibration).decision)
