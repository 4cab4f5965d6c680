"""The rules of BEHAVIOUR about single answers and about what drives the model; what the report tells of both."""

from typing import Any

import numpy as np
import pandas as pd

from train.data import model_inputs
from validation.cases import Case, read_cases
from validation.contract import Config
from validation.gate import Measure, judged, shown
from validation.judged import Judged, score
from validation.measures.curves import rounded
from validation.measures.importance import agreement, contributions, importances, sample_of
from validation.measures.losses import losses
from validation.measures.slices import worst_slices
from validation.words.behaviours import Cases, StableExplanation, WorstSlice

LEAST_ROWS = 200  # of the worst slice, where config.py does not say
EXPLAINED = 5  # rows


def understanding(own: Judged, config: Config) -> tuple[list[Measure], dict[str, Any]]:
    """Judge cases, worst slice and stability of the explanation; collect what the report tells of them."""
    measures, evidence = [], {}
    for rule in config.behaviour:
        if isinstance(rule, Cases):
            lines, evidence["cases"] = _cases(own, rule, config)
            measures += lines
        if isinstance(rule, StableExplanation):
            why = rule.why
            measures.append(judged(rule.measure, "", agreement(own, config), rule.bound, len(own.rows), why))
    lines, evidence["slices"] = _slices(own, config)
    evidence |= _explained(own, config)
    return [*measures, *lines], evidence


def _cases(own: Judged, rule: Cases, config: Config) -> tuple[list[Measure], list[dict[str, Any]]]:
    """Ask for the answer to each case; count the wrong ones, and tell each of them."""
    cases = read_cases(rule, config)
    rows = pd.DataFrame([case.row for case in cases], columns=[column.name for column in config.inputs])
    rows = rows.astype("object").where(rows.notna(), np.nan)
    outputs = score(own.model, model_inputs(rows, config.inputs))
    held = [_holds(case, output, own, config) for case, output in zip(cases, outputs, strict=True)]
    wrong = [case.name for case, right in zip(cases, held, strict=True) if not right]
    why = f"wrong: {'; '.join(wrong)}" if wrong else rule.why
    line = judged(rule.measure, "", float(len(wrong)), rule.bound, len(cases), why)
    told = [
        {"case": case.name, "expected": case.expected, "got": _answer(output, own, config), "held": right}
        for case, output, right in zip(cases, outputs, held, strict=True)
    ]
    return [line], told


def _holds(case: Case, output: "np.ndarray[Any, Any]", own: Judged, config: Config) -> bool:
    if not np.isfinite(output).all():
        return False
    if case.label is not None:
        return str(config.target.labels[int(own.model.choices(output[None, :])[0])]) == case.label
    value = float(output[-1])
    return (case.at_least is None or value >= case.at_least) and (case.at_most is None or value <= case.at_most)


def _answer(output: "np.ndarray[Any, Any]", own: Judged, config: Config) -> str:
    if not config.target.labels:
        return f"{float(output[0]):.4g}"
    place = int(own.model.choices(output[None, :])[0])
    chance = float(output[-1] if config.target.kind == "binary" else output[place])
    return f"{config.target.labels[place]} ({config.target.labels[-1 if len(output) == 2 else place]}: {chance:.3f})"


def _slices(own: Judged, config: Config) -> tuple[list[Measure], list[dict[str, Any]]]:
    """Measure the worst slice: judged where config.py bounds it, told in any case."""
    rules: list[WorstSlice | None] = [rule for rule in config.behaviour if isinstance(rule, WorstSlice)]
    overall = float(losses(own, config).mean())
    measures: list[Measure] = []
    told: list[dict[str, Any]] = []
    for rule in rules or [None]:
        found = worst_slices(own, config, rule.min_rows if rule else LEAST_ROWS)
        told = [
            {
                "slice": one.name,
                "rows": one.rows,
                "loss": rounded(one.loss),
                "low": rounded(one.interval[0]),
                "high": rounded(one.interval[1]),
                "overall": rounded(overall),
            }
            for one in found
            if np.isfinite([one.loss, *one.interval, overall]).all()
        ]
        if rule is not None and found:
            worst = found[0]
            measures.append(
                judged(rule.measure, worst.name, worst.loss, rule.bound, worst.rows, rule.why, worst.interval)
            )
        elif rule is not None:
            why = f"no part of the rows has {rule.min_rows} of them; lower min_rows"
            measures.append(judged(rule.measure, "", None, rule.bound, 0, why))
        elif found:
            worst = found[0]
            why = f"the worst part found by search; over all rows {overall:.4g}"
            measures.append(shown("loss on the worst slice", worst.name, worst.loss, worst.rows, why, worst.interval))
    return measures, told


def _explained(own: Judged, config: Config) -> dict[str, Any]:
    """Tell the importance of each input, and share the outputs of a few rows among their values."""
    if not np.isfinite(own.outputs).all():
        return {}
    ranked = sorted(importances(own, sample_of(len(own.rows), config), config), key=lambda one: -one.rise)
    return {
        "importances": [
            {
                "feature": one.feature,
                "rise": rounded(one.rise),
                "low": rounded(one.interval[0]),
                "high": rounded(one.interval[1]),
            }
            for one in ranked
        ],
        "contributions": [_shared(name, row, own, config) for name, row in _rows_to_explain(own, config)],
    }


def _rows_to_explain(own: Judged, config: Config) -> list[tuple[str, pd.DataFrame]]:
    """Take rows from the lowest to the highest output; where no value may be shown, rows made up from the contract."""
    if config.show_values:
        order = np.argsort(own.outputs[:, -1], kind="stable")
        places = [int(order[round(share * (len(order) - 1))]) for share in np.linspace(0, 1, EXPLAINED)]
        words = ("lowest output", "lower quarter", "middle output", "upper quarter", "highest output")
        return [(word, own.inputs.iloc[[place]]) for word, place in zip(words, places, strict=True)]
    names = [column.name for column in config.inputs]
    rows = pd.DataFrame(own.model.golden_rows[-EXPLAINED:], columns=names).astype("object")
    inputs = model_inputs(rows.where(rows.notna(), np.nan), config.inputs)
    return [(f"made-up row {place + 1}", inputs.iloc[[place]]) for place in range(len(inputs))]


def _shared(name: str, row: pd.DataFrame, own: Judged, config: Config) -> dict[str, Any]:
    base, output, shares = contributions(own, row, config)
    features = [
        {"feature": feature, "value": _text(row[feature].iloc[0]), "contribution": rounded(float(share))}
        for feature, share in zip(row.columns, shares, strict=True)
    ]
    features.sort(key=lambda one: -abs(float(str(one["contribution"]))))
    return {"row": name, "output": rounded(output), "base": rounded(base), "features": features}


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value or "missing"
    return "missing" if np.isnan(value) else f"{value:g}"
