"""Intervals of one model's metric, and of the loss between two models on the same rows.

Every interval holds 95 %: its upper end is a one-sided 97.5 % bound, so that a model which is worse by exactly a margin
passes one time in forty, and clearly less than one in twenty once that is measured. `outcome` has shape (rows,),
`outputs` (rows, labels) or (rows, 1), as in validation.measures.metrics. What is not defined is NaN, at both ends.
"""

from collections.abc import Callable

import numpy as np

from validation.measures.metrics import MEANS, Array, measure

Z = 1.959963984540054  # the 97.5 % quantile of the normal distribution
DRAWS = 800  # of a bootstrap: its 97.5 % quantile then has a standard error of a tenth of the spread
UNKNOWN = (float("nan"), float("nan"))

Interval = tuple[float, float]


def interval(metric: str, outcome: Array, outputs: Array, seed: int) -> Interval:
    """Bound a metric of one model."""
    value = measure(metric, outcome, outputs)
    if not np.isfinite(value):
        return UNKNOWN
    if metric == "roc_auc":
        return _around(value, float(np.sqrt(delong(outcome == 1, outputs[:, 1])[1][0, 0])))
    if metric in MEANS:
        rows = MEANS[metric](outcome, outputs)
        return _around(value, _error_of_mean(rows))
    return _bootstrap(lambda rows: measure(metric, outcome[rows], outputs[rows]), len(outcome), seed)


def lost(
    metric: str, up: bool, outcome: Array, theirs: Array, ours: Array, seed: int, draws: int = DRAWS
) -> tuple[float, Interval]:
    """Tell by how much our model is worse than theirs in the metric's unit, with its interval; negative is better.

    ROC AUC by DeLong, means of rows by their paired differences, every other metric by a paired bootstrap of `draws`
    times the rows.
    """
    sign = 1.0 if up else -1.0
    loss = sign * (measure(metric, outcome, theirs) - measure(metric, outcome, ours))
    if not np.isfinite(loss):
        return loss, UNKNOWN
    if metric == "roc_auc":
        covariance = delong(outcome == 1, theirs[:, 1], ours[:, 1])[1]
        spread = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
        return loss, _around(loss, float(np.sqrt(max(spread, 0.0))))
    if metric in MEANS:
        rows = MEANS[metric](outcome, theirs) - MEANS[metric](outcome, ours)
        return loss, _around(loss, _error_of_mean(rows))

    def drawn(rows: "np.ndarray[tuple[int], np.dtype[np.intp]]") -> float:
        there, here = (measure(metric, outcome[rows], outputs[rows]) for outputs in (theirs, ours))
        return sign * (there - here)

    return loss, _bootstrap(drawn, len(outcome), seed, draws)


def delong(positive: "np.ndarray[tuple[int], np.dtype[np.bool_]]", *scores: Array) -> tuple[Array, Array]:
    """Return the ROC AUC of each score, shape (scores,), and their covariance, shape (scores, scores).

    DeLong, DeLong and Clarke-Pearson, Comparing the areas under two or more correlated receiver operating
    characteristic curves (1988), by the mid-ranks of Sun and Xu, Fast implementation of DeLong's algorithm (2014). With
    fewer than two positives or negatives the covariance is NaN.
    """
    from scipy.stats import rankdata

    every = np.stack(scores)
    m, n = int(positive.sum()), int((~positive).sum())
    if m < 2 or n < 2:
        return np.full(len(every), np.nan), np.full((len(every), len(every)), np.nan)
    of_all, of_positives, of_negatives = (
        np.stack([rankdata(score[rows]) for score in every]) for rows in (slice(None), positive, ~positive)
    )
    areas = (of_all[:, positive].sum(axis=1) - m * (m + 1) / 2) / (m * n)
    above = (of_all[:, positive] - of_positives) / n  # the share of negatives below each positive
    below = 1 - (of_all[:, ~positive] - of_negatives) / m
    covariance = np.atleast_2d(np.cov(above)) / m + np.atleast_2d(np.cov(below)) / n
    return areas, covariance


def _around(value: float, error: float) -> Interval:
    return value - Z * error, value + Z * error


def _error_of_mean(rows: Array) -> float:
    return float(rows.std(ddof=1) / np.sqrt(len(rows))) if len(rows) > 1 else float("nan")


def _bootstrap(
    drawn: Callable[["np.ndarray[tuple[int], np.dtype[np.intp]]"], float], n: int, seed: int, draws: int = DRAWS
) -> Interval:
    """Take the 2.5 % and 97.5 % quantiles over rows drawn with replacement.

    Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    chance = np.random.default_rng(seed)
    low, high = np.quantile([drawn(chance.integers(0, n, n)) for _ in range(draws)], [0.025, 0.975])
    return float(low), float(high)
