"""The official pair lists of LFW (Huang et al. 2007), read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lfw_eval.data import DataError, DataSet


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of the list. ``fold`` counts from zero."""

    first: Path
    second: Path
    mated: bool
    fold: int


def read_pairs(path: Path, data: DataSet) -> list[Pair]:
    """Read ``pairs.txt`` (ten folds) or a ``pairsDev*.txt`` (one fold).

    Raises:
        DataError: a line is malformed, or the number of pairs is not the one the first line states.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    try:
        header = [int(word) for word in lines[0].split()]
        folds, half = header if len(header) == 2 else (1, *header)
    except (ValueError, IndexError):
        raise DataError(f"{path}:1: expected «folds pairs» or «pairs»") from None
    rows = [(number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if len(rows) != 2 * folds * half:
        raise DataError(f"{path}: {len(rows)} pairs, the first line states {2 * folds * half}")
    pairs = [
        _pair(path, number, line, data, index // (2 * half)) for index, (number, line) in enumerate(rows)
    ]
    for fold in range(folds):
        mated = sum(pair.mated for pair in pairs if pair.fold == fold)
        if mated != half:
            raise DataError(f"{path}: fold {fold + 1} has {mated} mated pairs, the first line states {half}")
    return pairs


def _pair(path: Path, number: int, line: str, data: DataSet, fold: int) -> Pair:
    words = line.split("\t")
    try:
        if len(words) == 3:
            name, first, second = words
            return Pair(data.photo(name, int(first)), data.photo(name, int(second)), True, fold)
        name, first, other, second = words
        return Pair(data.photo(name, int(first)), data.photo(other, int(second)), False, fold)
    except ValueError:
        raise DataError(f"{path}:{number}: malformed pair {line!r}") from None
