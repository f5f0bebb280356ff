"""The official pair lists of LFW (Huang et al. 2007). A malformed line stays a comparison, and an error."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lfw_eval.data import DataError, DataSet


@dataclass(frozen=True, slots=True)
class Pair:
    """One comparison of the list.

    fold: counted from zero.
    problem: why the line cannot be compared; its photos are then no files, and it counts as an error.
    """

    first: Path
    second: Path
    mated: bool
    fold: int
    problem: str = ""

    @property
    def photos(self) -> tuple[Path, ...]:
        """The photos to embed."""
        return () if self.problem else (self.first, self.second)

    @property
    def people(self) -> tuple[str, str]:
        """Whose photos they are. A line that cannot be read is taken as of a person of its own."""
        return (self.problem,) * 2 if self.problem else (self.first.parent.name, self.second.parent.name)


def read_pairs(path: Path, data: DataSet, *, strict: bool = False) -> list[Pair]:
    """Read ``pairs.txt`` (ten folds) or a ``pairsDev*.txt`` (one fold).

    Raises:
        DataError: the number of pairs, mated or not, is not the one the first line states, so that no
            denominator could be trusted; with ``strict`` also the first malformed line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is no UTF-8 text") from None
    folds, half = _header(path, lines)
    rows = [(number, line) for number, line in enumerate(lines[1:], start=2) if line.strip()]
    if len(rows) != 2 * folds * half:
        raise DataError(f"{path}: {len(rows)} pairs, the first line states {2 * folds * half}")
    pairs: list[Pair] = []
    for fold in range(folds):
        read = [_pair(path, *row, data, fold) for row in rows[2 * fold * half : 2 * (fold + 1) * half]]
        problem = next((pair for pair in read if isinstance(pair, str)), None)
        if strict and problem:
            raise DataError(problem)
        mated = sum(not isinstance(pair, str) and pair.mated for pair in read)
        others = sum(not isinstance(pair, str) and not pair.mated for pair in read)
        if mated > half or others > half:
            raise DataError(f"{path}: fold {fold + 1} has {mated} mated pairs, the first line states {half}")
        for pair in read:
            if isinstance(pair, str):
                # What the line was meant to be follows from what the fold lacks.
                pairs.append(Pair(Path(), Path(), mated < half, fold, pair))
                mated += mated < half
            else:
                pairs.append(pair)
    return pairs


def _header(path: Path, lines: list[str]) -> tuple[int, int]:
    try:
        header = [int(word) for word in lines[0].split()]
        folds, half = header if len(header) == 2 else (1, *header)
    except (ValueError, IndexError):
        folds = half = 0
    if folds < 1 or half < 1:
        raise DataError(f"{path}:1: expected «folds pairs» or «pairs»")
    return folds, half


def _pair(path: Path, number: int, line: str, data: DataSet, fold: int) -> Pair | str:
    words = [word.strip() for word in line.split("\t")]
    malformed = f"{path.name}:{number}: malformed pair {line!r}"
    if len(words) not in {3, 4}:
        return malformed
    name, first, *other, second = words
    people = (name, other[0] if other else name)
    if not all(count.isascii() and count.isdecimal() and int(count) for count in (first, second)):
        return malformed
    # A name is a folder of the data set, never a way out of it.
    if any(not person or person in {".", ".."} or "/" in person or "\\" in person for person in people):
        return malformed
    if other and people[0] == people[1]:
        return f"{path.name}:{number}: a non-mated pair of one person, {line!r}"
    if not other and int(first) == int(second):
        return f"{path.name}:{number}: a photo with itself, {line!r}"
    return Pair(data.photo(people[0], int(first)), data.photo(people[1], int(second)), not other, fold)
