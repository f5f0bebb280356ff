"""Every photo against every other one, in tiles: memory does not grow with the square of the photos."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BINS = 200_000  # of 1e-5 of a score: finer than any threshold is ever told apart
_TILE = 2048


def edge(place: int) -> float:
    """The score at which a bin begins."""
    return place * 2 / BINS - 1


class _Tile(NamedTuple):
    rows: slice
    columns: slice
    place: NDArray[np.int32]
    """(rows, columns) bin of each score."""
    strangers: NDArray[np.bool_]
    """(rows, columns) True once for each non-mated pair of the data set."""


def _tiles(matrix: NDArray[np.float32], owner: NDArray[np.integer]) -> Iterator[_Tile]:
    starts = range(0, len(matrix), _TILE)
    for first in starts:
        for second in range(first, len(matrix), _TILE):
            rows, columns = slice(first, first + _TILE), slice(second, second + _TILE)
            scores = matrix[rows] @ matrix[columns].T
            scores += 1
            scores *= BINS / 2
            place = scores.astype(np.int32).clip(0, BINS - 1)
            strangers = owner[rows, None] != owner[None, columns]
            if first == second:
                strangers &= np.triu(np.ones(strangers.shape, dtype=bool), k=1)
            yield _Tile(rows, columns, place, strangers)


def non_mated_histogram(matrix: NDArray[np.float32], owner: NDArray[np.integer]) -> NDArray[np.int64]:
    """Counts of the scores of all non-mated pairs, each pair once.

    Args:
        matrix: (n, dimension) float32 unit-norm embeddings.
        owner: (n,) the person of each row.

    Returns:
        (BINS,) counts over [-1, 1].
    """
    counts = np.zeros(BINS, dtype=np.int64)
    for tile in _tiles(matrix, owner):
        counts += np.bincount(tile.place[tile.strangers], minlength=BINS)
    return counts


def at_or_above(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """How many comparisons a threshold at the lower edge of each bin lets pass; the last one is zero."""
    return np.append(np.cumsum(counts[::-1])[::-1], 0)


def threshold_at(counts: NDArray[np.int64], fmr: float) -> float:
    """The lower edge of the first bin from which no more than the rate lies above."""
    return edge(int(np.argmax(at_or_above(counts) <= fmr * counts.sum())))


@dataclass(frozen=True, slots=True)
class Exceedances:
    """The non-mated comparisons at or above some ascending thresholds.

    by_person: (people, thresholds) how many each person takes part in.
    first, second: (k,) the people of each comparison from the threshold ``listed_from`` upwards.
    level: (k,) how many of the thresholds it reaches, from 1.
    """

    by_person: NDArray[np.int64]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    level: NDArray[np.uint8]
    listed_from: int


def exceedances(
    matrix: NDArray[np.float32],
    owner: NDArray[np.integer],
    thresholds: NDArray[np.float64],
    *,
    people: int,
    listed_from: int = 0,
) -> Exceedances:
    """Who makes the high scores among strangers.

    Args:
        owner: (n,) number of the person, below ``people``.
        thresholds: ascending edges of bins, fewer than 255.
    """
    count = len(thresholds)
    reached = np.searchsorted(np.round((thresholds + 1) * (BINS / 2)), np.arange(BINS), side="right")
    reached = reached.astype(np.uint8)
    by_photo = np.zeros((len(matrix), count + 1), dtype=np.int64)
    found: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.uint8]]] = []
    for rows, columns, place, strangers in _tiles(matrix, owner):
        level = np.where(strangers, reached[place], np.uint8(0))
        for photos, axis in ((rows, level), (columns, level.T)):
            line = np.arange(len(axis), dtype=np.int64)[:, None] * (count + 1)
            sums = np.bincount((line + axis).ravel(), minlength=len(axis) * (count + 1))
            by_photo[photos] += sums.reshape(len(axis), count + 1)
        high = np.nonzero(level > listed_from)
        found.append(
            (
                owner[rows][high[0]].astype(np.int32),
                owner[columns][high[1]].astype(np.int32),
                level[high],
            )
        )
    by_person = np.zeros((people, count + 1), dtype=np.int64)
    np.add.at(by_person, owner, by_photo)
    # What reaches level 3 is above the thresholds 0, 1 and 2.
    by_person = np.cumsum(by_person[:, ::-1], axis=1)[:, ::-1][:, 1:]
    first, second, level = (np.concatenate(column) for column in zip(*found, strict=True))
    return Exceedances(by_person, np.minimum(first, second), np.maximum(first, second), level, listed_from)


def mated_scores(
    matrix: NDArray[np.float32], owner: NDArray[np.integer]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Scores of all mated pairs, each pair once, and the person of each."""
    order = np.argsort(owner, kind="stable")
    scores, whose = [np.zeros(0, dtype=np.float32)], [np.zeros(0, dtype=np.int64)]
    people, starts, counts = np.unique(owner[order], return_index=True, return_counts=True)
    for person, start, count in zip(people, starts, counts, strict=True):
        mine = matrix[order[start : start + count]]
        scores.append((mine @ mine.T)[np.triu_indices(count, k=1)])
        whose.append(np.full(len(scores[-1]), person))
    return np.concatenate(scores), np.concatenate(whose)
