"""How far groups are apart: fairlearn's metrics, and their intervals by a bootstrap within each group.

`outcome` and `choice` have shape (rows,): label places, or quantities in their unit; `groups` names each row's group.
Intervals hold 95 %. A difference between groups cannot be below nought, so its draws lie high: the upper end is on the
safe side.
"""

from collections.abc import Callable
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, mean_absolute_error

from validation.measures.paired import UNKNOWN, Interval

Array = npt.NDArray[np.float64]
DRAWS = 2000


def disparity(metric: str, kind: str, outcome: Array, choice: Array, groups: Any) -> float:
    """Measure one metric between groups; its definition is that of fairlearn.metrics."""
    of_group = {
        "accuracy_difference": accuracy_score,
        "mean_absolute_error_difference": mean_absolute_error,
        "mean_error_difference": _mean_error,
        "mean_prediction_difference": _mean_choice,
    }
    if metric in of_group:
        return _between(of_group[metric], outcome, choice, groups)
    if kind == "classes":
        return max(
            float(fairlearn.demographic_parity_difference(outcome == label, choice == label, sensitive_features=groups))
            for label in np.union1d(outcome, choice)
        )
    return float(getattr(fairlearn, metric)(outcome, choice, sensitive_features=groups))


def _between(metric: Callable[..., float], outcome: Array, choice: Array, groups: Any) -> float:
    frame = fairlearn.MetricFrame(metrics=metric, y_true=outcome, y_pred=choice, sensitive_features=groups)
    return float(frame.difference())


def _mean_choice(_: Array, choice: Array) -> float:
    return float(np.mean(choice))


def _mean_error(outcome: Array, choice: Array) -> float:
    return float(np.mean(choice - outcome))


def disparity_interval(metric: str, kind: str, outcome: Array, choice: Array, groups: Any, seed: int) -> Interval:
    """Bound a metric: the 2.5 % and 97.5 % quantiles of its draws; NaN where a draw leaves it undefined."""
    chance = np.random.default_rng(seed)
    names = sorted(set(groups))
    parts = [(outcome[groups == name], choice[groups == name]) for name in names]
    if kind == "quantity":
        drawn = [np.stack([_means(metric, *part, chance) for part in parts], axis=1)]
    elif kind == "classes":
        drawn = _class_rates(metric, parts, chance)
    else:
        drawn = _binary_rates(metric, parts, chance)
    with np.errstate(invalid="ignore", divide="ignore"):
        spreads = [
            rate.min(axis=1) / rate.max(axis=1) if metric.endswith("_ratio") else np.ptp(rate, axis=1) for rate in drawn
        ]
    low, high = np.quantile(np.max(spreads, axis=0), [0.025, 0.975])
    return (float(low), float(high)) if np.isfinite([low, high]).all() else UNKNOWN


def _binary_rates(metric: str, parts: list[tuple[Array, Array]], chance: np.random.Generator) -> list[Array]:
    """Draw each group's confusion cells, and from them the rates that the metric compares; each (draws, groups)."""
    draws = []
    for outcome, choice in parts:
        true, chosen = outcome == 1, choice == 1
        cells = [(~true & ~chosen).sum(), (~true & chosen).sum(), (true & ~chosen).sum(), (true & chosen).sum()]
        draws.append(_cells(np.array(cells), chance))
    tn, fp, fn, tp = np.moveaxis(np.stack(draws, axis=1), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        selected = (tp + fp) / (tn + fp + fn + tp)
        found, alarmed = tp / (tp + fn), fp / (fp + tn)
        return {
            "demographic_parity_difference": [selected],
            "demographic_parity_ratio": [selected],
            "equalized_odds_difference": [found, alarmed],
            "equal_opportunity_difference": [found],
            "accuracy_difference": [(tp + tn) / (tn + fp + fn + tp)],
        }[metric]


def _class_rates(metric: str, parts: list[tuple[Array, Array]], chance: np.random.Generator) -> list[Array]:
    """Draw each group's hits, or its counts of each chosen label; each (draws, groups)."""
    if metric == "accuracy_difference":
        hits = [(outcome == choice).sum() for outcome, choice in parts]
        sizes = [len(outcome) for outcome, _ in parts]
        cells = [np.array([hit, size - hit]) for hit, size in zip(hits, sizes, strict=True)]
        return [np.stack([_cells(cell, chance)[:, 0] / cell.sum() for cell in cells], axis=1)]
    labels = np.unique(np.concatenate([choice for _, choice in parts]))
    counts = [np.array([(choice == label).sum() for label in labels]) for _, choice in parts]
    drawn = [_cells(count, chance) / count.sum() for count in counts]
    return [np.stack([rates[:, place] for rates in drawn], axis=1) for place in range(len(labels))]


def _cells(counts: npt.NDArray[Any], chance: np.random.Generator) -> Array:
    """Draw the cells of a group anew from their own shares: the bootstrap of its rows, without the rows."""
    return chance.multinomial(counts.sum(), counts / counts.sum(), size=DRAWS).astype("float64")


def _means(metric: str, outcome: Array, choice: Array, chance: np.random.Generator) -> Array:
    """Draw a group's mean, shape (draws,)."""
    values = {
        "mean_absolute_error_difference": np.abs(choice - outcome),
        "mean_error_difference": choice - outcome,
        "mean_prediction_difference": choice,
    }[metric]
    n = len(values)
    return np.array([values[chance.integers(0, n, n)].mean() for _ in range(DRAWS)])
