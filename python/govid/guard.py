"""What a model loses by multiplying in another precision than float32, and how much of that is too much.

It is measured on LFW View 1 by ``python -m lfw_eval.guard``, ships beside the calibrations, and is looked at
before the model may decide anything. It belongs to one model id: other ranges, weights or networks are to be
measured anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from govid import calibration, profiles
from govid.config import Settings
from govid.errors import InvalidSettings, PrecisionUnavailable
from govid.models import Digest

PAIR_LIST = "pairsDevTrain.txt"
PAIRS = 2200
"""Of View 1."""
TOO_MUCH = 0.0005
"""A part of all pairs: 0.05 points. One pair of View 1's 2,200 is less, two are more."""

_Share: TypeAlias = Annotated[float, Meta(ge=0, le=1)]


class Loss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Accuracy on the same pairs in both precisions, with the evidence."""

    model_id: str
    float32_model_id: str
    data_set: Annotated[
        str, Meta(pattern=f", {re.escape(PAIR_LIST)}$", description="Photos, and the pair list of View 1")
    ]
    data_set_digest: Annotated[Digest, Meta(description="SHA-256 over the names and digests of the photos")]
    created: str
    machine: str
    pairs: Annotated[int, Meta(ge=PAIRS, le=PAIRS)]
    compared: Annotated[
        int,
        Meta(ge=2000, le=PAIRS, description="Pairs with two templates. Fewer could not show so small a loss"),
    ]
    accuracy: Annotated[_Share, Meta(description="Of all pairs, in this precision")]
    float32_accuracy: Annotated[_Share, Meta(description="Of all pairs")]

    @property
    def too_much(self) -> bool:
        """Whether the model may not be used."""
        # Counts of pairs: a difference of two shares may be rounded to less than it is.
        lost = round(self.float32_accuracy * self.pairs) - round(self.accuracy * self.pairs)
        return lost * 2000 >= self.pairs

    @property
    def text(self) -> str:
        """In words."""
        return (
            f"{self.model_id}: {self.accuracy:.2%} of {self.pairs:,} pairs of {self.data_set}, "
            f"{self.float32_accuracy:.2%} in float32"
        )


def file_name(model_id: str) -> str:
    """Of the record, beside the calibration of the model."""
    return f"{model_id}.loss.json"


def check(settings: Settings) -> None:
    """Refuse a precision that costs accuracy, or of which nobody has measured what it costs.

    Raises:
        PrecisionUnavailable: so it is; or see ``profiles.active``.
        InvalidSettings: the record cannot be read, or is that of another model, or held against another.
    """
    available = profiles.active(settings)
    if settings.precision == "float32":
        return
    plain = profiles.active(msgspec.structs.replace(settings, precision="float32"))
    for profile, same in zip(available, plain, strict=True):
        loss = _measured(profile.model_id, same.model_id, settings.calibrations_dir)
        if loss.too_much:
            raise PrecisionUnavailable(f"{loss.text}: a loss of {TOO_MUCH:.2%} or more is refused")


def _measured(model_id: str, float32_model_id: str, folder: Path) -> Loss:
    content = calibration.kept(name := file_name(model_id), folder)
    if content is None:
        raise PrecisionUnavailable(
            f"{model_id}: nobody has measured what it loses to float32; `python -m lfw_eval.guard` does"
        )
    try:
        loss = msgspec.json.decode(content, type=Loss)
    except msgspec.MsgspecError as error:
        raise InvalidSettings(f"{name}: {error}") from None
    if loss.model_id != model_id:
        raise InvalidSettings(f"{name}: it is of {loss.model_id}")
    if loss.float32_model_id != float32_model_id:
        raise InvalidSettings(f"{name}: held against {loss.float32_model_id}, not {float32_model_id}")
    return loss
