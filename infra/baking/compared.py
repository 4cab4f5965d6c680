"""The judge: shares of the canary's requests and predictions against stable's, each with an interval that always holds.

A share is worse when its difference lies beyond the bound at the sure end of its interval, and no worse when it lies
within at the other. All that is asked together errs with a chance of `alpha`: for `worse` it is split among all shares
that are looked at; for `no worse` each has it whole, since a version that is worse in one share only passes if that one
errs (Berger, "Multiparameter hypothesis testing and acceptance sampling", Technometrics 24, 1982). Half of each goes to
the canary's share, half to stable's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from infra.baking.sequential import Array, lower, upper

Word = Literal["worse", "no worse", "not enough"]
Asked = tuple[Array, float, float, float]  # hits, of how many, and the levels of the lower and the upper bound


@dataclass(frozen=True, eq=False)
class Shares:
    """Shares of one measure, each by its name: `hits` of `n` of the canary, `others` of `m` of stable.

    Judged is `hits/n - times * others/m - expected`: at most `bound`, and on `both` sides at least -`bound`. Without
    `others` the expected share is all that it is compared with.
    """

    names: tuple[str, ...]
    hits: Array
    n: float
    bound: float
    others: Array | None = None
    m: float = 0.0
    times: float = 1.0
    expected: Array | float = 0.0
    both: bool = False


@dataclass(frozen=True)
class Line:
    """One line of a verdict: the share of its measure that is nearest to being worse."""

    measure: str
    canary: float | None
    stable: float | None
    difference: float | None
    low: float
    high: float
    bound: float
    n: int
    m: int
    verdict: Word


def judge(measures: Sequence[Shares], alpha: float) -> tuple[Line, ...]:
    """Judge measures, which share `alpha` alike; a line each, of the share that stands worst."""
    asked, counts = [], []
    for each in measures:
        halves = 1 if each.others is None else 2
        sure = alpha / len(measures) / len(each.names) / (1 + each.both) / halves
        asked.append(_asked(each, sure, alpha / halves))
        counts.append(len(asked[-1]))
    found = iter(_bounds([one for some in asked for one in some]))
    return tuple(_line(each, [next(found) for _ in range(count)]) for each, count in zip(measures, counts, strict=True))


def beyond_excuse(measures: Sequence[Shares], alpha: float) -> str:
    """Name a share of the canary that stays surely too large where stable is asked no more; nothing without one.

    Stable excuses what is surely its own, and no answer of it is still to come.
    """
    for each in (one for one in measures if one.others is not None):
        excused = each.times * lower(each.others, each.m, alpha / 2)
        beyond = lower(each.hits, each.n, alpha / 2) - excused - each.expected > each.bound
        if beyond.any():
            return each.names[int(np.argmax(beyond))]
    return ""


def _asked(shares: Shares, sure: float, likely: float) -> list[Asked]:
    """List what has to be bounded: canary and stable, for each side on which they are judged."""
    asked: list[Asked] = []
    for low, high in ((sure, likely), (likely, sure))[: 1 + shares.both]:
        asked.append((shares.hits, shares.n, low, high))
        if shares.others is not None:
            asked.append((shares.others, shares.m, high, low))
    return asked


def _bounds(asked: Sequence[Asked]) -> list[tuple[Array, Array]]:
    """Bound all shares from below and above, in one go."""
    hits = np.concatenate([hits for hits, *_ in asked])
    n, low, high = (np.concatenate([np.full(len(one[0]), one[place]) for one in asked]) for place in (1, 2, 3))
    both = upper(np.concatenate([n - hits, hits]), np.concatenate([n, n]), np.concatenate([low, high]))
    ends = np.cumsum([len(hits) for hits, *_ in asked])[:-1]
    least, most = 1.0 - both[: len(hits)], both[len(hits) :]
    return list(zip(np.split(least, ends), np.split(most, ends), strict=True))


def _interval(shares: Shares, bounds: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """Bound what is judged: it is more than the one, and less than the other."""
    low, high = (bounds[0][side] - shares.expected for side in (0, 1))
    if shares.others is not None:
        low, high = low - shares.times * bounds[1][1], high - shares.times * bounds[1][0]
    return low, high


def _line(shares: Shares, bounds: Sequence[tuple[Array, Array]]) -> Line:
    known = shares.others is None
    low, high = _interval(shares, bounds[: len(bounds) // (1 + shares.both)])
    difference = _share(shares.hits, shares.n) - shares.expected
    if shares.others is not None:
        difference = difference - shares.times * _share(shares.others, shares.m)
    if shares.both:
        least, most = _interval(shares, bounds[len(bounds) // 2 :])
        low, high = np.maximum(np.maximum(low, -most), 0.0), np.maximum(high, -least)
        difference = np.abs(difference)
    worse = low > shares.bound
    at = int(np.argmax(np.where(worse, low, -1.0) if worse.any() else high))
    verdict: Word = "worse" if worse.any() else "no worse" if bool((high < shares.bound).all()) else "not enough"
    return Line(
        shares.names[at],
        _shown(shares.hits[at], shares.n),
        None if shares.others is None else _shown(shares.others[at], shares.m),
        float(difference[at]) if shares.n and (known or shares.m) else None,
        float(low[at]),
        float(high[at]),
        shares.bound,
        round(shares.n),
        round(shares.m),
        verdict,
    )


def _share(hits: Array, n: float) -> Array:
    return hits / n if n else np.zeros_like(hits)


def _shown(hits: float, n: float) -> float | None:
    return float(hits / n) if n else None
