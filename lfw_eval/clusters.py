"""Bounds of a rate that respect that one person makes many comparisons.

The comparisons of a person stand and fall together: a face that looks like many others makes many false
matches at once. So the variance of a rate is estimated from the sums of the people, not from the number of
comparisons. With c_ij of the n_ij comparisons of the persons i and j above the threshold, p = sum(c) / N,
e_ij = c_ij - p n_ij, and over the others j of a person s_i = sum(e_ij), N_i = sum(n_ij):

    V = sum over persons of (s_i / (N - N_i))^2  -  sum over pairs i<j of (e_ij / N)^2

The first sum is the jackknife that leaves out one person at a time; it counts what a single pair of people
adds twice, and the second sum takes it off once (the dyadic cluster-robust variance, Fafchamps and Gubert
2007, Aronow and others 2015; Bickel's estimator in ISO/IEC 19795-1 is of their kin). A rate with this
variance is as sure as a Poisson count of x = p^2 / V independent events: the effective count. Its exact
(Garwood) bounds, scaled by p / x, bound p, also where x is so small that a normal distribution would mislead.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Z_ONE_SIDED = 1.6449  # 95 % below
Z_TWO_SIDED = 1.9600  # 95 % between


class Bounds(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def variance(
    sums: NDArray[np.floating], shares: NDArray[np.floating], pair_squares: float, total: float
) -> float:
    """The variance of a rate.

    Args:
        sums: (people,) s_i.
        shares: (people,) N_i.
        pair_squares: sum of e_ij^2; zero where it is not known, which errs upwards.
        total: N.
    """
    left = np.maximum(total - shares, 1e-9 * max(total, 1))
    return max(0.0, float(((sums / left) ** 2).sum()) - pair_squares / max(total, 1) ** 2)


def bounds(p: float, events: int, variance: float, independent: float) -> Bounds:
    """A two-sided 95 % interval of a rate.

    Args:
        events: errors counted, of which no more than all are independent.
        independent: how many trials may pass for independent. It bounds the rate where there was no event
            and so no variance (rule of three); with no trial nothing is known.
    """
    if events == 0:
        return Bounds(0.0, min(1.0, 3 / independent) if independent else 1.0)
    count = effective_count(p, events, variance)
    low, high = (poisson_bound(count, z) / count * p for z in (-Z_TWO_SIDED, Z_TWO_SIDED))
    return Bounds(low, min(1.0, high))


def upper_bound(p: float, events: int, variance: float) -> float:
    """The one-sided 95 % upper bound of a rate above zero."""
    count = effective_count(p, events, variance)
    return min(1.0, poisson_bound(count, Z_ONE_SIDED) / count * p)


def effective_count(p: float, events: int, variance: float) -> float:
    """Independent events that would be as sure: never more than were counted."""
    return min(float(events), p * p / variance) if variance > 0 else float(events)


def poisson_bound(count: float, z: float) -> float:
    """Garwood's bound of a Poisson mean after ``count`` events: upper for z > 0, lower for z < 0.

    By Wilson and Hilferty's approximation of the chi-square quantile: within 1 % above; the lower bound of
    few events comes out a little too low.
    """
    k = count + 1 if z > 0 else count
    if k <= 0:
        return 0.0
    return float(k * max(0.0, 1 - 1 / (9 * k) + z / (3 * math.sqrt(k))) ** 3)
