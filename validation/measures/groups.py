"""Fairness by group: who is large enough to be judged, each gate with its interval, each group with its rates.

`outcome` and `choice` have shape (rows,): label places, or quantities in their unit.
"""

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from validation.contract import Config
from validation.gate import Measure, judged, shown
from validation.measures.disparity import Array, disparity, disparity_interval
from validation.measures.rates import rates_of
from validation.words.bounds import Bound, Gate
from validation.words.columns import Category
from validation.words.settings import Waiver, in_force

MISSING_GROUP = "(missing)"
FEW = 20  # rows; of fewer nothing is told where values may not be shown
MOST_TOLD = 200  # rates that the report draws
NAMED = 10  # empty intersections that are named
NAMELESS = ""
AND = " & "  # between the values that name an intersection

Names = npt.NDArray[np.object_]


def judge_groups(rows: pd.DataFrame, outcome: Array, choice: Array, config: Config) -> list[Measure]:
    """Measure each gate of FAIRNESS on the groups that are large enough, then tell every group."""
    gates: list[Measure] = []
    groups: list[Measure] = []
    if not np.isfinite(choice).all():  # nor may it hide in a group that is too small to be judged
        choice = np.full(len(choice), np.nan)
    by_columns = dict.fromkeys([*((column,) for column in config.sensitive), *(g.columns for g in config.fairness)])
    for columns in by_columns:
        names = names_of(rows, columns, config)
        known = declared(columns, names, config)
        large = [name for name in known if is_large(outcome[names == name], config)]
        chosen = np.isin(names, large)
        asked = [gate for gate in config.fairness if gate.columns == columns]
        gates += [_gate(gate, outcome[chosen], choice[chosen], names[chosen], config) for gate in asked]
        groups += _empty(columns, known, len(rows), config) if len(columns) > 1 else []
        for name in known:
            rows_of = names == name
            groups.append(_size(columns, name, outcome[rows_of], name in large, config))
            groups += told(columns, name, outcome[rows_of], choice[rows_of], config)
    return [*gates, *groups]


def names_of(rows: pd.DataFrame, columns: Sequence[str], config: Config) -> Names:
    """Name the group of each row: the value of a column, or those of several joined; shape (rows,).

    A value that no column declares is the schema gate's to refuse: its row has no group, and no name.
    """
    texts, known = [], np.ones(len(rows), dtype=bool)
    for column in columns:
        values = rows[column].astype("object").where(rows[column].notna(), MISSING_GROUP).astype(str)
        known &= values.isin(_values(column, config)).to_numpy()
        texts.append(values)
    joined = zip(known, *texts, strict=True)
    return np.array([AND.join(values) if legal else NAMELESS for legal, *values in joined], dtype=object)


def declared(columns: Sequence[str], names: Names, config: Config) -> list[str]:
    """List the groups: of one column what config.py declares, of an intersection what the rows hold."""
    return sorted(set(names) - {NAMELESS}) if len(columns) > 1 else _values(columns[0], config)


def _empty(columns: Sequence[str], known: Sequence[str], n: int, config: Config) -> list[Measure]:
    """Tell the intersections that no row is in: nobody can say how they are treated."""
    every = (AND.join(values) for values in product(*(_values(column, config) for column in columns)))
    gone = sorted(set(every) - set(known))
    if not gone:
        return []
    more = f" and {len(gone) - NAMED} more" if len(gone) > NAMED else ""
    group = f"{' and '.join(columns)}: {', '.join(gone[:NAMED])}{more}"
    why = "no row of the test part is in them: nobody can say how they are treated"
    return [Measure("intersections without a row", group, float(len(gone)), None, n, "insufficient", why)]


def _values(name: str, config: Config) -> list[str]:
    [column] = [feature for feature in config.features if feature.name == name]
    values = column.values if isinstance(column, Category) else ()
    return [*values, *([MISSING_GROUP] if column.missing else [])]


def is_large(outcome: Array, config: Config) -> bool:
    """Tell whether a group has rows enough: with and without a binary outcome, or the sum of both minima."""
    positives, negatives = config.groups.min_positives, config.groups.min_negatives
    if config.target.kind == "binary":
        return bool((outcome == 1).sum() >= positives and (outcome == 0).sum() >= negatives)
    return len(outcome) >= positives + negatives


def _gate(gate: Gate, outcome: Array, choice: Array, names: Names, config: Config) -> Measure:
    compared = sorted(set(names))
    group, n = f"{' and '.join(gate.columns)}: {', '.join(compared)}", len(outcome)
    if len(compared) < 2 or not np.isfinite(choice).all():
        few = len(compared) < 2
        why = "fewer than two groups are large enough to be compared" if few else "an output is not a number"
        return judged(gate.measure, group, None, gate.bound, n, why)
    value = disparity(gate.metric, config.target.kind, outcome, choice, names)
    interval = disparity_interval(gate.metric, config.target.kind, outcome, choice, names, config.seed)
    return judged(gate.measure, group, value, gate.bound, n, gate.why, interval)


def _size(columns: Sequence[str], name: str, outcome: Array, large: bool, config: Config) -> Measure:
    """Say whether a group is judged; one that is not fails where config.py wants it judged, or where it has no row."""
    group, n = f"{' and '.join(columns)}: {name}", len(outcome)
    wanted = len(columns) == 1 and name in config.groups.must_judge.get(columns[0], ())
    if n == 0 and len(columns) == 1:
        why = "a declared group without a row in the test part: nobody can say how it is treated"
        return judged("rows of the group", group, 0.0, Bound(at_least=1), 0, why)
    least = f"{config.groups.min_positives} with the outcome and {config.groups.min_negatives} without"
    if config.target.kind != "binary":
        least = f"{config.groups.min_positives + config.groups.min_negatives} rows"
    if large:
        return shown("rows of the group", group, float(n), n, "large enough to be judged")
    why = f"too small to be judged: it takes {least}"
    if wanted:
        return Measure("rows of the group", group, float(n), None, n, "fail", f"{why}; GROUPS.must_judge names it")
    return Measure("rows of the group", group, float(n), None, n, "insufficient", why)


def told(columns: Sequence[str], name: str, outcome: Array, choice: Array, config: Config) -> list[Measure]:
    """Tell a group's rates with their intervals; nothing of them is judged by itself."""
    group = f"{' and '.join(columns)}: {name}"
    known = np.isfinite(choice).all()
    lines = []
    for rate, value, interval, n in rates_of(outcome, choice, config):
        if known and (config.show_values or n >= FEW):
            lines.append(shown(rate, group, value, n, "told, not judged by itself", interval))
        else:
            why = (
                f"not told of fewer than {FEW} rows: it would say what they hold" if known else "an output is no number"
            )
            lines.append(shown(rate, group, None, n, why))
    return lines


def waived(measures: Sequence[Measure], config: Config) -> list[Measure]:
    """Let a waiver that is in force stand for a gate that fails; one that is over fails by itself."""
    by_measure = {gate.measure: gate for gate in config.fairness}
    lines = []
    for line in measures:
        gate = by_measure.get(line.measure)
        waiver = gate and next((one for one in config.waivers if (one.metric, one.by) == (gate.metric, gate.by)), None)
        lines.append(_under(waiver, line) if waiver and line.verdict == "fail" else line)
    over = [one for one in config.waivers if not in_force(one)]
    if config.waivers:
        why = "; ".join(f"{_name(one)}, {one.owner}: over since {one.expires}" for one in over)
        why = why or "a waiver that is over has to be renewed with a reason, or removed"
        lines.append(judged("waivers that are over", "", float(len(over)), Bound(at_most=0), len(config.waivers), why))
    return lines


def _under(waiver: Waiver, line: Measure) -> Measure:
    if not in_force(waiver) or line.value is None:  # what could not be measured cannot be waived
        return line
    why = f"waived until {waiver.expires} by {waiver.owner}: {waiver.reason}; {line.why}"
    return Measure(line.measure, line.group, line.value, line.bound, line.n, "waived", why, line.interval)


def _name(waiver: Waiver) -> str:
    return f"{waiver.metric} by {waiver.by if isinstance(waiver.by, str) else ' and '.join(waiver.by)}"


def evidence(measures: Sequence[Measure], config: Config) -> dict[str, Any]:
    """Collect the groups' rates and the waivers for the report."""
    large = {line.group for line in measures if line.measure == "rows of the group" and line.verdict == "shown"}
    groups = []
    for line in measures:
        by, _, name = line.group.partition(": ")
        if line.verdict == "shown" and line.measure != "rows of the group" and line.interval:
            low, high = line.interval
            rate = {"rate": line.measure, "value": line.value, "low": low, "high": high, "n": line.n}
            groups.append({"by": by, "group": name, "judged": line.group in large, **rate})
    waivers = [
        {
            "measure": _name(one),
            "owner": one.owner,
            "reason": one.reason,
            "expires": one.expires.isoformat(),
            "in_force": in_force(one),
        }
        for one in config.waivers
    ]
    return {"groups": sorted(groups, key=lambda one: not one["judged"])[:MOST_TOLD], "waivers": waivers}
