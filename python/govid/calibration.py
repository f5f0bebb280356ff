"""comparison score <-> false match rate, measured on non-mated comparisons of a named data set.

A table belongs to one model id. It never answers below the rate its data supports: there it gives the
lowest supported rate as an upper bound, and no threshold.
"""

from __future__ import annotations

import bisect
import math
from importlib import resources
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
import numpy as np
from msgspec import Meta

from govid.errors import InvalidSettings, NotCalibrated

# A rate is read off the data only where this many non-mated comparisons lie above the score.
MIN_COMPARISONS_ABOVE = 30


class FmrAtScore(NamedTuple):
    """False match rate of a threshold put at some score."""

    fmr: float
    is_upper_bound: bool
    """True where the score lies beyond the table: the rate is then at most ``fmr``."""
    upper: float
    """95 % upper bound of the true rate: what may be said of photos and people not in the data set."""


class Calibration(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A score <-> FMR table with its evidence."""

    model_id: str
    pipeline: Annotated[str, Meta(description="Everything before the embedding that changes scores")]
    data_set: str
    data_set_digest: Annotated[str, Meta(description="SHA-256 over the names and digests of the photos")]
    created: str
    people: int
    photos: int
    failures_to_acquire: int
    non_mated_comparisons: int
    supports: Annotated[str, Meta(description="How far down the data reaches, in words")] = ""
    fmr: Annotated[tuple[float, ...], Meta(description="Descending rates", min_length=2)]
    fmr_upper: Annotated[
        tuple[float, ...],
        Meta(
            description="95 % upper bound of the true rate at each threshold, never rising. It respects that "
            "one person makes many comparisons (lfw_eval/clusters.py has the formula)."
        ),
    ]
    score: Annotated[
        tuple[float, ...], Meta(description="Ascending thresholds: P(score >= threshold) <= fmr")
    ]

    @property
    def calibration_id(self) -> str:
        """Short name for replies and audit: data set and day."""
        return f"{self.data_set}/{self.created}"

    @property
    def lowest_fmr(self) -> float:
        """The lowest rate the data supports."""
        return self.fmr[-1]

    def threshold(self, fmr: float) -> float | None:
        """Least score at which the false match rate is at most ``fmr``; None below the supported range."""
        if fmr < self.lowest_fmr * (1 - 1e-9):
            return None
        # The first rate of the falling column that is low enough.
        i = bisect.bisect_left(self.fmr, -fmr, key=lambda rate: -rate)
        if i in {0, len(self.fmr)}:
            return self.score[min(i, len(self.fmr) - 1)]
        # Interpolated in the logarithm of the rate, in which such tails are nearly straight.
        part = math.log(self.fmr[i - 1] / fmr) / math.log(self.fmr[i - 1] / self.fmr[i])
        return self.score[i - 1] + part * (self.score[i] - self.score[i - 1])

    def fmr_at(self, score: float) -> FmrAtScore:
        """The false match rate of a threshold at ``score``, and its 95 % upper bound."""
        if score > self.score[-1]:
            return FmrAtScore(self.lowest_fmr, is_upper_bound=True, upper=self.fmr_upper[-1])
        if score < self.score[0]:
            # Looser than the table begins: no rate is known, and only certainty bounds it.
            return FmrAtScore(1.0, is_upper_bound=True, upper=1.0)
        i = min(bisect.bisect_right(self.score, score), len(self.score) - 1)
        low, high = self.score[i - 1], self.score[i]
        part = (score - low) / (high - low) if high > low else 1.0
        rate, upper = (
            column[i - 1] * (column[i] / column[i - 1]) ** part for column in (self.fmr, self.fmr_upper)
        )
        return FmrAtScore(rate, is_upper_bound=False, upper=upper)

    @property
    def ordered(self) -> bool:
        """Whether the columns have one length, fall or rise as they must, and bounds bound their rates."""
        if not len(self.fmr) == len(self.fmr_upper) == len(self.score):
            return False
        fmr, upper, score = np.array(self.fmr), np.array(self.fmr_upper), np.array(self.score)
        return bool(
            np.all(np.diff(fmr) < 0)
            and np.all(np.diff(upper) <= 0)
            and np.all(np.diff(score) >= 0)
            and np.all(upper >= fmr)
            and fmr[-1] > 0
            and upper[0] <= 1
        )


def load(model_id: str, folder: Path, *, pipeline: str) -> Calibration:
    """The table for a model: one the operator made in ``folder``, else the shipped one.

    Raises:
        NotCalibrated: there is none, or it was made with other detection or alignment.
        InvalidSettings: the file is not a calibration, or is one of another model.
    """
    content = kept(name := f"{model_id}.json", folder)
    if content is None:
        raise NotCalibrated(model_id)
    try:
        table = msgspec.json.decode(content, type=Calibration)
    except msgspec.MsgspecError as error:
        raise InvalidSettings(f"calibration {name}: {error}") from None
    if table.model_id != model_id or not table.ordered:
        raise InvalidSettings(f"calibration {name}: not an ordered table of {model_id}")
    if table.pipeline != pipeline:
        raise NotCalibrated(f"{name} was made by the pipeline {table.pipeline}, this one is {pipeline}")
    return table


def kept(name: str, folder: Path) -> bytes | None:
    """The operator's file of that name in ``folder``, else the shipped one; None: there is neither."""
    shipped = resources.files("govid") / "calibrations" / name
    file = next((one for one in (folder / name, shipped) if one.is_file()), None)
    return file.read_bytes() if file else None
