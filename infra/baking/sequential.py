"""Bounds for a share that hold at every look at once, so that one may stop whenever they say enough.

Add up n numbers from 0 to 1 to S, and let p be the mean of their means, each given what came before. For every t,
exp(t S - n log(1 + p (e^t - 1))) stays below a nonnegative supermartingale that begins at 1: the logarithm is concave
in p, so that means may drift. So does a mixture of such over fixed t, which by Ville's inequality reaches 1/alpha at
any time with a chance of alpha at most. The p for which it does are left out.

Robbins, "Statistical methods related to the law of the iterated logarithm", Annals of Mathematical Statistics 41, 1970;
Howard, Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of
Statistics 49, 2021; for numbers other than 0 and 1, Hoeffding, "Probability inequalities for sums of bounded random
variables", JASA 58, 1963.
"""

import bisect
import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# t: the smallest is the best one for a million requests of which half hit, the largest where none of some hundred does
GRID = np.geomspace(0.01, 8.0, 16)
STEPS = 26  # halvings of the interval that a bound is searched in, to 1e-8


def upper(hits: Any, n: Any, alpha: Any) -> Array:
    """Bound the mean share of `hits` among `n` from above, each at its level `alpha`; without any, it is 1."""
    hits, n, alpha = np.broadcast_arrays(*(np.asarray(each, dtype="float64") for each in (hits, n, alpha)))
    hits, n, alpha = hits[..., None], n[..., None], alpha[..., None]
    low = np.where(n > 0, hits / np.maximum(n, 1e-300), 0.0)
    high = np.ones_like(low)
    limit = np.log(len(GRID) / alpha)[..., 0]
    for _ in range(STEPS):
        middle = (low + high) / 2
        grown = -GRID * hits - n * np.log1p(middle * np.expm1(-GRID))
        top = grown.max(axis=-1)
        beyond = top + np.log(np.exp(grown - top[..., None]).sum(axis=-1)) >= limit
        high = np.where(beyond[..., None], middle, high)
        low = np.where(beyond[..., None], low, middle)
    return np.asarray(np.where(n > 0, high, 1.0)[..., 0])


def lower(hits: Any, n: Any, alpha: Any) -> Array:
    """Bound the mean share of `hits` among `n` from below, each at its level `alpha`; without any, it is 0."""
    return 1.0 - upper(np.asarray(n, dtype="float64") - hits, n, alpha)


def enough(bound: float, alpha: float) -> int:
    """Count requests that surely prove a share below `bound` when not one of them hits; `fewest` may do."""
    return math.ceil(math.log(len(GRID) / alpha) / -math.log1p(bound * math.expm1(-GRID[-1])))


@functools.cache
def fewest(bound: float, alpha: float) -> int:
    """Count the requests before which nothing proves a share below `bound`, also when not one of them hits."""
    numbers = range(1, enough(bound, alpha) + 1)
    return numbers[bisect.bisect_left(numbers, True, key=lambda n: bool(upper(0, n, alpha) < bound))]
