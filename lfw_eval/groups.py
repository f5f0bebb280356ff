"""FNMR and FMR by group at one threshold, from every comparison of a data set.

Each person counts the same, however many photos there are of them: FNMR is the mean over people of the share
of their mated comparisons below the threshold, FMR the mean over pairs of people of the share of theirs at or
above it. Else the few with hundreds of photos would be the group. (In LFW one man makes over half of all
mated comparisons, and groups drawn by lot differ by a factor of four.)

A mated comparison with a photo that gave no template counts as a false non-match. Non-mated comparisons
are those of photos with a template: a refused photo lets no stranger in.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lfw_eval import clusters
from lfw_eval.all_pairs import Exceedances
from lfw_eval.results import Estimate, GroupRate, GroupTable

EVERYBODY = "everybody"
# With fewer people an interval over people means nothing; with fewer comparisons one error is too much.
_PEOPLE = 10
_MATED = 30
_EVENTS_DUE = 3.0


@dataclass(frozen=True, slots=True)
class Population:
    """Counts of each person of a data set, all arrays (people,).

    groups: for each attribute the group of each person, as text.
    missed: (people, thresholds) mated comparisons below each threshold, failures included.
    """

    photos: NDArray[np.int64]
    embedded: NDArray[np.int64]
    missed: NDArray[np.int64]
    groups: dict[str, NDArray[np.str_]]

    @property
    def mated(self) -> NDArray[np.int64]:
        """Mated comparisons of each person, failures included."""
        return self.photos * (self.photos - 1) // 2


class _Scope(NamedTuple):
    """The people of one group, or of two for the comparisons between them, as masks (people,)."""

    attribute: str
    group: str
    other: str
    one: NDArray[np.bool_]
    two: NDArray[np.bool_]


def group_table(
    basis: str, threshold: float, place: int, population: Population, high: Exceedances
) -> GroupTable:
    """All groups at one threshold; ``place`` is its number in ``missed`` and ``high``."""
    pairs = high.level > place
    first, second = high.first[pairs], high.second[pairs]
    everyone = np.ones(len(population.photos), dtype=bool)
    within = [_Scope("all", EVERYBODY, EVERYBODY, everyone, everyone)]
    between = []
    for attribute, groups in population.groups.items():
        members = {str(name): groups == name for name in np.unique(groups)}
        within += [_Scope(attribute, name, name, mask, mask) for name, mask in members.items()]
        between += [
            _Scope(attribute, name, other, members[name], members[other])
            for name, other in combinations(members, 2)
        ]
    overall = _fmr(within[0], population, first, second, 0.0)
    rate = overall.rate.value
    return GroupTable(
        basis=basis,
        threshold=threshold,
        fnmr=tuple(_fnmr(scope, population, place) for scope in within),
        fmr=(overall, *(_fmr(scope, population, first, second, rate) for scope in within[1:])),
        fmr_across=tuple(_fmr(scope, population, first, second, rate) for scope in between),
    )


def _fnmr(scope: _Scope, population: Population, place: int) -> GroupRate:
    tested = scope.one & (population.mated > 0)
    mated, missed = population.mated[tested], population.missed[tested, place]
    people, events = len(mated), int(missed.sum())
    rates = missed / mated
    p = float(rates.mean()) if people else 0.0
    # The comparisons of one person are one cluster, and nobody else's.
    variance = clusters.variance(rates - p, np.ones(people), 0.0, people)
    limits = clusters.bounds(p, events, variance, people)
    comparisons = int(mated.sum())
    enough = people >= _PEOPLE and comparisons >= _MATED
    return _row(scope, population, people, (events, comparisons), (p, *limits), enough=enough)


def _fmr(
    scope: _Scope,
    population: Population,
    first: NDArray[np.int32],
    second: NDArray[np.int32],
    overall: float,
) -> GroupRate:
    """``first`` and ``second`` are the people of all false matches; ``overall`` is the rate of everybody."""
    one, two = (mask & (population.embedded > 0) for mask in (scope.one, scope.two))
    inside = (one[first] & two[second]) | (one[second] & two[first])
    first, second = first[inside], second[inside]
    photos = population.embedded.astype(np.float64)
    sizes = int(one.sum()), int(two.sum())
    # Other people each person is compared with, and all comparisons, each pair of people or photos once.
    if scope.group == scope.other:
        people, partners = sizes[0], np.where(one, sizes[0] - 1.0, 0.0)
        comparisons = round(((photos[one].sum()) ** 2 - (photos[one] ** 2).sum()) / 2)
    else:
        people, partners = (
            sum(sizes),
            np.where(one, float(sizes[1]), 0.0) + np.where(two, float(sizes[0]), 0.0),
        )
        comparisons = round(photos[one].sum() * photos[two].sum())
    total = partners.sum() / 2
    count = len(photos)
    keys, c = np.unique(first.astype(np.int64) * count + second, return_counts=True)
    rates = c / (photos[keys // count] * photos[keys % count])
    p = float(rates.sum() / max(1.0, total))
    of_person = np.bincount(keys // count, rates, count) + np.bincount(keys % count, rates, count)
    pair_squares = float((rates**2).sum() - 2 * p * rates.sum() + p * p * total)
    variance = clusters.variance(of_person - p * partners, partners, pair_squares, total)
    limits = clusters.bounds(p, len(first), variance, total)
    enough = min(sizes) >= _PEOPLE and (scope.attribute == "all" or comparisons * overall >= _EVENTS_DUE)
    return _row(scope, population, people, (len(first), comparisons), (p, *limits), enough=enough)


def _row(
    scope: _Scope,
    population: Population,
    people: int,
    counts: tuple[int, int],
    rate: tuple[float, float, float],
    *,
    enough: bool,
) -> GroupRate:
    value, low, high = map(float, rate)
    return GroupRate(
        attribute=scope.attribute,
        group=scope.group,
        other=scope.other,
        people=people,
        photos=int(population.photos[scope.one | scope.two].sum()),
        comparisons=counts[1],
        events=counts[0],
        rate=Estimate(value=value, low=low, high=high),
        enough=enough,
    )


def missed_by_person(
    scores: NDArray[np.float32],
    whose: NDArray[np.int64],
    failed: NDArray[np.int64],
    thresholds: Iterable[float],
) -> NDArray[np.int64]:
    """Mated comparisons of each person below each threshold or without a score: (people, thresholds)."""
    columns = [
        np.bincount(whose[scores < threshold], minlength=len(failed)) + failed for threshold in thresholds
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(failed), 0), dtype=np.int64)
