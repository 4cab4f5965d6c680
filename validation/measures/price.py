"""What reweighing costs and gives: metrics and fairness of the recipe with it and without, and who passes FAIRNESS."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from validation.contract import Config
from validation.gate import Measure, Verdict
from validation.measures.groups import judge_groups
from validation.measures.metrics import Array, measure
from validation.measures.recipes import Models
from validation.measures.trials import ACCEPTED, REFUSED, line
from validation.words.bounds import PERFORMANCE_METRICS

GATE = "FAIRNESS"


def fairness_of(outputs: Array, rows: pd.DataFrame, outcome: Array, config: Config) -> list[Measure]:
    """Judge outputs by FAIRNESS as its gate does; a waiver does not count, since it says nothing of the recipe."""
    choice = outputs.argmax(axis=1).astype("float64") if config.target.labels else outputs[:, 0]
    return judge_groups(rows, outcome, choice, config)


def price(models: Models, rows: pd.DataFrame, outcome: Array, config: Config) -> tuple[list[Any], dict[str, Any]]:
    """Return the lines about FAIRNESS, and the price: means over the fits on the same rows, with and without."""
    if not config.fairness:
        return [], {"metrics": [], "fairness": []}
    equal, plain = (
        [fairness_of(outputs, rows, outcome, config) for outputs in sort] for sort in (models.equal, models.plain)
    )
    lines = [line("another fit of the same recipe", GATE, ACCEPTED, _passing(equal), len(equal))]
    if not plain:
        return lines, {"metrics": [], "fairness": []}
    lines.append(line("the recipe without reweighing", GATE, REFUSED, _passing(plain), len(plain)))
    pairs = [(outputs, models.plain[place]) for place, outputs in enumerate(models.equal[: len(plain)])]
    metrics = []
    for metric in PERFORMANCE_METRICS[config.target.kind]:
        means = [_mean([measure(metric, outcome, outputs) for outputs in sort]) for sort in zip(*pairs, strict=True)]
        metrics.append({"metric": metric, "mitigated": means[0], "plain": means[1]})
    fairness = [
        {
            "measure": gate.measure,
            "mitigated": _of(gate.measure, equal[: len(plain)]),
            "plain": _of(gate.measure, plain),
        }
        for gate in config.fairness
    ]
    return lines, {"metrics": metrics, "fairness": fairness}


def _passing(judgements: Sequence[Sequence[Measure]]) -> int:
    return sum(Verdict("fairness", "", "", tuple(measures)).passed for measures in judgements)


def _of(name: str, judgements: Sequence[Sequence[Measure]]) -> float | None:
    """Average a gate's value over the fits; None where one could not be measured."""
    values = [one.value for measures in judgements for one in measures if one.measure == name]
    return _mean([float("nan") if value is None else value for value in values])


def _mean(values: Sequence[float]) -> float | None:
    mean = float(np.mean(values)) if values else float("nan")
    return float(f"{mean:.6g}") if np.isfinite(mean) else None
