"""What one evaluation found, for people and for machines."""

from __future__ import annotations

import platform

import msgspec
import numpy as np

from govid import _core
from govid.doctor import cpu_name
from govid.faces import FacePipeline
from lfw_eval.embeddings import Embeddings
from lfw_eval.metrics import accuracy, fnmr_at_fmr
from lfw_eval.protocol import Pair

FMR_TARGETS = (1e-2, 1e-3)


class ErrorRate(msgspec.Struct, frozen=True, kw_only=True):
    """FNMR at the lowest threshold that keeps the FMR."""

    fmr_target: float
    fmr: float
    fnmr: float
    threshold: float


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result of View 2, with everything needed to doubt it."""

    data_set: str
    model_id: str
    pipeline: str
    pairs: int
    photos: int
    accuracy: float
    accuracy_standard_error: float
    accuracy_by_fold: tuple[float, ...]
    error_rates: tuple[ErrorRate, ...]
    failures_to_acquire: dict[str, str]
    pairs_with_a_failure: int
    milliseconds_by_stage: dict[str, float]
    photos_timed: int
    machine: str

    def text(self) -> str:
        """For people."""
        lines = [
            f"{self.data_set}: View 2, {self.pairs:,} pairs of {self.photos:,} photos",
            f"model      {self.model_id}, {self.pipeline}",
            f"accuracy   {self.accuracy * 100:.2f} % +- {self.accuracy_standard_error * 100:.2f} "
            "(standard error over the folds)",
        ]
        lines += [
            f"FNMR       {rate.fnmr * 100:.2f} % at FMR {rate.fmr_target:.0e}, threshold {rate.threshold:.4f}"
            for rate in self.error_rates
        ]
        lines.append(
            f"failures   {len(self.failures_to_acquire)} photos without a template, "
            f"{self.pairs_with_a_failure} pairs counted as errors for it"
        )
        lines += [f"             {slug}: {photo}" for photo, slug in self.failures_to_acquire.items()]
        if self.photos_timed:
            stages = ", ".join(f"{stage} {spent:.2f}" for stage, spent in self.milliseconds_by_stage.items())
            lines.append(f"time       ms a photo, mean of {self.photos_timed:,}: {stages}")
        else:
            lines.append("time       not measured: all embeddings came from the cache (--no-cache measures)")
        lines.append(f"machine    {self.machine}")
        return "\n".join(lines)


def pair_scores(pairs: list[Pair], embeddings: Embeddings) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Comparison score of each pair; NaN where a photo gave no template."""
    found = embeddings.by_photo
    return np.array(
        [
            _core.cosine(found[pair.first], found[pair.second])
            if pair.first in found and pair.second in found
            else np.nan
            for pair in pairs
        ]
    )


def evaluate(data_set: str, pairs: list[Pair], embeddings: Embeddings, faces: FacePipeline) -> Report:
    """Judge the pairs by LFW's protocol."""
    scores = pair_scores(pairs, embeddings)
    mated = np.array([pair.mated for pair in pairs])
    result = accuracy(scores, mated, np.array([pair.fold for pair in pairs]))
    rates = [(target, fnmr_at_fmr(scores, mated, target)) for target in FMR_TARGETS]
    return Report(
        data_set=data_set,
        model_id=faces.model_id,
        pipeline=faces.name,
        pairs=len(pairs),
        photos=len(embeddings.by_photo) + len(embeddings.failures),
        accuracy=result.mean,
        accuracy_standard_error=result.standard_error,
        accuracy_by_fold=result.by_fold,
        error_rates=tuple(
            ErrorRate(fmr_target=target, fmr=rate.fmr, fnmr=rate.fnmr, threshold=rate.threshold)
            for target, rate in rates
        ),
        failures_to_acquire={photo.name: slug for photo, slug in embeddings.failures.items()},
        pairs_with_a_failure=int(np.isnan(scores).sum()),
        milliseconds_by_stage={stage: round(ms, 3) for stage, ms in embeddings.milliseconds.items()},
        photos_timed=embeddings.fresh,
        machine=f"{cpu_name()}, SIMD {_core.isa()}, {platform.system()}",
    )
