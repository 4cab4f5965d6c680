"""Whatever config.py names has to exist: columns, groups, metrics; and nothing may be asked for twice."""

from typing import TYPE_CHECKING

from serve.words import COLUMNS, RECORDS, log_columns
from validation.words.behaviours import Direction, Invariance, Missing, Noise
from validation.words.bounds import FAIRNESS_METRICS, PERFORMANCE_METRICS, check_gate
from validation.words.columns import Category, Number, require
from validation.words.expectations import Rows, Share

if TYPE_CHECKING:
    from validation.contract import Config


def check_names(config: "Config") -> None:
    """Raise Refusal for a name that nothing has, a gap, or a repetition."""
    names = list(config.columns)
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"column {', '.join(twice)} is declared twice")
    require(bool(config.inputs), "FEATURES: the model needs at least one column that is not hidden")
    for key in (RECORDS, COLUMNS):
        require(key not in names, f"column {key!r} would clash with the request's own key; rename it in load")
    _columns_exist(config)
    _gates_are_measured(config)
    _groups_exist(config)
    _behaviour_is_possible(config)
    _log_is_possible(config)


def _columns_exist(config: "Config") -> None:
    for name in config.key:
        require(name in config.columns, f"KEY names {name!r}, which no column declares")
    declared = {column.name: column for column in config.features}
    for name in config.sensitive:
        require(
            isinstance(declared.get(name), Category),
            f"SENSITIVE names {name!r}, which no Category of FEATURES declares",
        )
    if config.model.reweigh_by is not None:
        require(
            config.model.reweigh_by in config.sensitive,
            f"MODEL: reweigh_by {config.model.reweigh_by!r} is not in SENSITIVE",
        )
        require(config.target.kind != "quantity", "MODEL: reweighing needs labels, the target is a Quantity")
    for rule in config.dataset:
        named = [getattr(rule, field) for field in ("column", "other") if hasattr(rule, field)]
        if isinstance(rule, Share) and rule.where is not None:
            named.append(rule.where[0])
        for column in named:
            require(column in config.columns, f"DATASET: {rule!r} names {column!r}, which no column declares")
    require(
        any(isinstance(rule, Rows) for rule in config.dataset),
        "DATASET: a Rows bound is needed; an empty table passes all else",
    )


def _gates_are_measured(config: "Config") -> None:
    require(bool(config.performance), "PERFORMANCE: a model that no gate judges cannot be promoted; name a metric")
    for gate in config.performance:
        check_gate("PERFORMANCE", gate, config.target.kind, PERFORMANCE_METRICS[config.target.kind])
        require(gate.by is None, f"PERFORMANCE: Gate({gate.metric!r}): groups are judged under FAIRNESS")
    for gate in config.fairness:
        check_gate("FAIRNESS", gate, config.target.kind, FAIRNESS_METRICS[config.target.kind])
        require(
            bool(gate.columns) and set(gate.columns) <= set(config.sensitive),
            f"FAIRNESS: Gate({gate.metric!r}): by={gate.by!r} is not in SENSITIVE",
        )
        require(gate.lose_at_most is None, f"FAIRNESS: Gate({gate.metric!r}): give at_most or at_least")
    judged = {gate.by for gate in config.fairness}
    require(
        not config.fairness or set(config.sensitive) <= judged,
        f"FAIRNESS: no gate judges by {', '.join(sorted(set(config.sensitive) - judged))}; add one",
    )
    require(bool(config.fairness) or not config.sensitive, "FAIRNESS is empty although SENSITIVE names columns")
    for where, gates in (("PERFORMANCE", config.performance), ("FAIRNESS", config.fairness)):
        asked = [gate.measure for gate in gates]
        twice = sorted({name for name in asked if asked.count(name) > 1})
        require(not twice, f"{where}: {', '.join(twice)} is bounded twice; keep one")


def _groups_exist(config: "Config") -> None:
    declared = {column.name: column for column in config.features if isinstance(column, Category)}
    for name, groups in config.groups.must_judge.items():
        require(name in config.sensitive, f"GROUPS.must_judge names {name!r}, which is not in SENSITIVE")
        unknown = sorted(set(groups) - set(declared[name].values))
        require(not unknown, f"GROUPS.must_judge: {name} has no value {', '.join(unknown)}")
    waivable = {(gate.metric, gate.by) for gate in config.fairness}
    for waiver in config.waivers:
        require(
            (waiver.metric, waiver.by) in waivable,
            f"WAIVERS: no gate of FAIRNESS bounds {waiver.metric!r} by {waiver.by!r}; remove the waiver",
        )


def _behaviour_is_possible(config: "Config") -> None:
    declared = {column.name: column for column in config.features}
    asked = [rule.measure for rule in config.behaviour]
    require(len(set(asked)) == len(asked), "BEHAVIOUR: one rule is there twice; keep one")
    for rule in config.behaviour:
        for name in rule.steps if isinstance(rule, Noise) else ():
            number = isinstance(declared.get(name), Number) and not declared[name].hidden
            require(number, f"BEHAVIOUR: Noise: {name!r} is no Number that the model sees")
        if not isinstance(rule, Direction | Invariance | Missing):
            continue
        what = f"BEHAVIOUR: {type(rule).__name__}({rule.feature!r})"
        column = declared.get(rule.feature)
        require(column is not None, f"{what}: no column of FEATURES has this name")
        if isinstance(rule, Missing):
            can = column is not None and column.missing and not column.hidden
            require(can, f"{what}: the model does not see the column, or it may not be missing")
        if isinstance(rule, Direction):
            require(
                isinstance(column, Number) and not column.hidden,
                f"{what}: a direction needs a Number that the model sees",
            )
            require(config.target.kind != "classes", f"{what}: a direction needs a Binary or a Quantity target")


def _log_is_possible(config: "Config") -> None:
    named = config.prediction_log.columns
    taken = log_columns(config.target.labels)
    inputs = [column.name for column in config.inputs]
    for name in named:
        require(name in inputs, f"PREDICTION_LOG.columns names {name!r}, which is no input of the model")
        require(name not in taken, f"PREDICTION_LOG.columns: the log has a column {name!r} of its own; leave it out")
    require(len(set(named)) == len(named), "PREDICTION_LOG.columns names a column twice")
