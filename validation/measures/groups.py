"""Fairness by group: fairlearn's metrics, intervals by bootstrap, and who is large enough to be judged.

`outcome` and `choice` have shape (rows,): label places, or quantities in their unit.
"""

from collections.abc import Callable
from typing import Any

import fairlearn.metrics as fairlearn
import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.metrics import accuracy_score, mean_absolute_error

from validation.contract import Config
from validation.gate import Measure, judged
from validation.gate import shown as told
from validation.words.bounds import Bound, Gate
from validation.words.columns import Category

Array = npt.NDArray[np.float64]
MISSING_GROUP = "(missing)"
DRAWS = 2000


def _by(metric: Callable[..., float], outcome: Array, choice: Array, groups: Any) -> float:
    frame = fairlearn.MetricFrame(metrics=metric, y_true=outcome, y_pred=choice, sensitive_features=groups)
    return float(frame.difference())


def _mean_choice(_: Array, choice: Array) -> float:
    return float(np.mean(choice))


def _parity_over_classes(outcome: Array, choice: Array, groups: Any) -> float:
    """Take the label on which the groups' selection rates differ most."""
    return max(
        float(fairlearn.demographic_parity_difference(outcome == label, choice == label, sensitive_features=groups))
        for label in np.union1d(outcome, choice)
    )


def measure(metric: str, kind: str, outcome: Array, choice: Array, groups: Any) -> float:
    """Measure one metric between groups; its definition is that of fairlearn.metrics."""
    if metric == "accuracy_difference":
        return _by(accuracy_score, outcome, choice, groups)
    if metric == "mean_absolute_error_difference":
        return _by(mean_absolute_error, outcome, choice, groups)
    if metric == "mean_prediction_difference":
        return _by(_mean_choice, outcome, choice, groups)
    if kind == "classes":
        return _parity_over_classes(outcome, choice, groups)
    return float(getattr(fairlearn, metric)(outcome, choice, sensitive_features=groups))


def judge_groups(rows: pd.DataFrame, outcome: Array, choice: Array, config: Config) -> list[Measure]:
    """Measure each gate of FAIRNESS on the groups that are large enough, then show every group."""
    measures, shown = [], []
    for column in config.sensitive:
        groups = rows[column].astype("object").where(rows[column].notna(), MISSING_GROUP).to_numpy()
        [declared] = [feature for feature in config.features if feature.name == column]
        names = (
            [*declared.values, *([MISSING_GROUP] if declared.missing else [])] if isinstance(declared, Category) else []
        )
        large = [name for name in names if _is_large(outcome[groups == name], config)]
        chosen = np.isin(groups, large)
        gates = [gate for gate in config.fairness if gate.columns == (column,)]
        measures += [_judge(gate, column, outcome[chosen], choice[chosen], groups[chosen], config) for gate in gates]
        for name in names:
            shown += _show(column, name, outcome[groups == name], choice[groups == name], name in large, config)
    return measures + shown


def _is_large(outcome: Array, config: Config) -> bool:
    positives, negatives = config.groups.min_positives, config.groups.min_negatives
    if config.target.kind == "binary":
        return bool((outcome == 1).sum() >= positives and (outcome == 0).sum() >= negatives)
    return len(outcome) >= positives + negatives


def _judge(gate: Gate, column: str, outcome: Array, choice: Array, groups: Any, config: Config) -> Measure:
    names = sorted(set(groups))
    group, n = f"{column}: {', '.join(names)}", len(outcome)
    if len(names) < 2 or not np.isfinite(choice).all():
        why = "fewer than two groups are large enough to be compared" if len(names) < 2 else "an output is not a number"
        return judged(gate.measure, group, None, gate.bound, n, why)
    value = measure(gate.metric, config.target.kind, outcome, choice, groups)
    interval = _interval(gate.metric, outcome, choice, groups, config.seed) if config.target.kind == "binary" else None
    return judged(gate.measure, group, value, gate.bound, n, gate.why, interval=interval)


def _interval(metric: str, outcome: Array, choice: Array, groups: Any, seed: int) -> tuple[float, float] | None:
    """Bound the metric by a bootstrap of each group's confusion cells: the 2.5 % and 97.5 % quantiles.

    A difference between groups cannot be below 0, so its draws lie high: the upper end is on the safe side.
    """
    chance = np.random.default_rng(seed)
    draws = []
    for name in sorted(set(groups)):
        true, chosen = outcome[groups == name] == 1, choice[groups == name] == 1
        cells = np.array(
            [(~true & ~chosen).sum(), (~true & chosen).sum(), (true & ~chosen).sum(), (true & chosen).sum()]
        )
        draws.append(chance.multinomial(cells.sum(), cells / cells.sum(), size=DRAWS))
    tn, fp, fn, tp = np.moveaxis(np.stack(draws, axis=1).astype("float64"), -1, 0)  # each (draws, groups)
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = {
            "demographic_parity_difference": [(tp + fp) / (tn + fp + fn + tp)],
            "equalized_odds_difference": [tp / (tp + fn), fp / (fp + tn)],
            "equal_opportunity_difference": [tp / (tp + fn)],
            "accuracy_difference": [(tp + tn) / (tn + fp + fn + tp)],
            "demographic_parity_ratio": [(tp + fp) / (tn + fp + fn + tp)],
        }[metric]
        spreads = [
            rate.min(axis=1) / rate.max(axis=1) if metric.endswith("_ratio") else np.ptp(rate, axis=1) for rate in rates
        ]
    low, high = np.quantile(np.max(spreads, axis=0), [0.025, 0.975])
    return (float(low), float(high)) if np.isfinite([low, high]).all() else None


def _show(column: str, name: str, outcome: Array, choice: Array, large: bool, config: Config) -> list[Measure]:
    group, n = f"{column}: {name}", len(outcome)
    if n == 0:
        why = "a declared group without a row in the test part: nobody can say how it is treated"
        return [judged("rows of the group", group, 0.0, Bound(at_least=1), 0, why)]
    why = "judged" if large else "too small to be judged"
    if config.target.kind == "quantity":
        return [told("mean prediction", group, float(choice.mean()), n, why)]
    if config.target.kind == "classes":
        return [told("accuracy", group, float((choice == outcome).mean()), n, why)]
    rates = {
        "selection rate": choice,
        "true positive rate": choice[outcome == 1],
        "false positive rate": choice[outcome == 0],
    }
    return [
        told(rate, group, float(values.mean()) if len(values) else None, len(values), why)
        for rate, values in rates.items()
    ]
