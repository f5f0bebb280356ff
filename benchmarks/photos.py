"""The photos: JPEG of 250 x 250 pixels, from samples/ and, where there is one, from LFW."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import NamedTuple

import PIL.Image

from benchmarks.environment import ROOT
from lfw_eval.data import VIEW_2, opened
from lfw_eval.protocol import read_pairs

SIDE = 250
# Where the face fills as much of the square as in LFW: left, upper, right, lower.
_SQUARES = {
    "obama-2012": (195, 0, 795, 600),
    "obama-2009": (0, 90, 626, 716),
    "biden-2010": (225, 5, 920, 700),
}


class Question(NamedTuple):
    """Is the probe the person of the reference?"""

    reference: bytes
    probe: bytes
    mated: bool


def samples() -> list[bytes]:
    """The sample portraits, cut and made small."""
    return [_small(name) for name in _SQUARES]


def questions(data: Path | None, of_each: int) -> list[Question]:
    """Pairs with a known answer: two mated and two not, and ``of_each`` of both from LFW View 2."""
    earlier, later, other = samples()
    asked = [
        Question(earlier, later, mated=True),
        Question(later, earlier, mated=True),
        Question(earlier, other, mated=False),
        Question(other, later, mated=False),
    ]
    if data:
        pairs = read_pairs(data / VIEW_2, opened(data))
        for mated in (True, False):
            chosen = itertools.islice((pair for pair in pairs if pair.mated is mated), of_each)
            asked += [Question(pair.first.read_bytes(), pair.second.read_bytes(), mated) for pair in chosen]
    return asked


def batch(data: Path | None, count: int) -> list[bytes]:
    """``count`` photos: the first of LFW by name, or the samples again and again."""
    if not data:
        return list(itertools.islice(itertools.cycle(samples()), count))
    everyone = itertools.chain.from_iterable(opened(data).people().values())
    return [photo.read_bytes() for photo in itertools.islice(everyone, count)]


def described(data: Path | None) -> str:
    """For the record."""
    source = "samples/ and LFW, deep-funneled or as given" if data else "samples/"
    return f"JPEG, {SIDE} x {SIDE} pixels, from {source}"


def _small(name: str) -> bytes:
    out = io.BytesIO()
    with PIL.Image.open(ROOT / "samples" / f"{name}.jpg") as photo:
        square = photo.convert("RGB").resize((SIDE, SIDE), PIL.Image.Resampling.LANCZOS, box=_SQUARES[name])
    square.save(out, "JPEG", quality=90)
    return out.getvalue()
