"""Bounds that could never fail are no bounds: config.py's numbers, held against the columns and the target."""

import math
from typing import TYPE_CHECKING

from validation.words.behaviours import Direction, Invariance, Missing, Noise, StableExplanation, WorstSlice
from validation.words.bounds import FAIRNESS_METRICS, Gate
from validation.words.columns import Binary, Category, Classes, Number, Quantity, require
from validation.words.expectations import MissingShare, Resembles, Share

if TYPE_CHECKING:
    from validation.contract import Config

COARSEST_PARITY = 1e-3
MOST_TOLERATED = 0.5  # share of rows
MOST_SLACK = 0.1  # of the output's range
MOST_DIVERGENCE = 1.0  # nats


def check_limits(config: "Config") -> None:
    """Raise Refusal for a number that means nothing, or a bound that nothing can break."""
    _kinds(config)
    for gate in (*config.performance, *config.fairness):
        _can_fail(gate, config)
    absolute = [gate for gate in config.performance if gate.lose_at_most is None]
    require(bool(absolute), "PERFORMANCE: name at least one at_least or at_most; the first model has no champion")
    require(
        isinstance(config.parity, float) and 0 < config.parity <= COARSEST_PARITY,
        f"PARITY must be above 0 and at most {COARSEST_PARITY:g}, not {config.parity!r}",
    )
    for rule in config.behaviour:
        if isinstance(rule, Direction | Invariance | Missing | Noise):
            _moves_are_noticed(rule, config)
        if isinstance(rule, WorstSlice):
            worst = math.log(max(len(config.target.labels), 2)) * 2 if config.target.labels else 10.0
            require(rule.loss_at_most < worst, f"BEHAVIOUR: WorstSlice: a loss of {worst:.3g} is as good as no bound")
        if isinstance(rule, StableExplanation):
            what = "BEHAVIOUR: StableExplanation: an order of importance says nothing of fewer than three inputs"
            require(len(config.inputs) >= 3, what)
    _table_promises(config)


def _moves_are_noticed(rule: Direction | Invariance | Missing | Noise, config: "Config") -> None:
    what = f"BEHAVIOUR: {type(rule).__name__}({dict(rule.steps) if isinstance(rule, Noise) else rule.feature!r})"
    require(rule.tolerate <= MOST_TOLERATED, f"{what}: tolerate above {MOST_TOLERATED:g} asks for nothing")
    slack = MOST_SLACK * _range(config)
    require(rule.slack <= slack, f"{what}: slack above {slack:g}, a tenth of the output's range, asks for nothing")
    steps = dict(rule.steps) if isinstance(rule, Noise) else {}
    steps |= {rule.feature: rule.step} if isinstance(rule, Direction) else {}
    for name, step in steps.items():
        _step_is_felt(name, step, config, what)


def _kinds(config: "Config") -> None:
    require(isinstance(config.show_values, bool), f"SHOW_VALUES must be True or False, not {config.show_values!r}")
    whole = {
        "SEED": config.seed,
        "LOOKS": config.looks,
        "GROUPS.min_positives": config.groups.min_positives,
        "GROUPS.min_negatives": config.groups.min_negatives,
    }
    counts = ("port", "max_rows", "max_body_bytes", "max_header_bytes", "burst", "concurrent", "connections")
    whole |= {f"SERVICE.{name}": getattr(config.service, name) for name in counts}
    for name, value in whole.items():
        require(type(value) is int and value >= 0, f"{name} must be a whole number, not {value!r}")
    for column in config.features:
        flags = (column.missing, column.hidden, getattr(column, "integer", False), getattr(column, "fold", False))
        require(all(isinstance(flag, bool) for flag in flags), f"column {column.name!r}: a flag is not True or False")


def _range(config: "Config") -> float:
    return config.target.high - config.target.low if isinstance(config.target, Quantity) else 1.0


def _can_fail(gate: Gate, config: "Config") -> None:
    """Hold the bound against the values that the metric can take."""
    labels = max(len(config.target.labels), 2)
    ranges = {"log_loss": math.log(labels), "rmse": _range(config), "mae": _range(config)}
    ranges |= {name: _range(config) for name in FAIRNESS_METRICS["quantity"]} | {"mse": _range(config) ** 2}
    worst = ranges.get(gate.metric, 1.0)
    what = f"Gate({gate.metric!r})"
    if gate.at_least is not None:
        require(0 < gate.at_least <= 1, f"{what}: at_least must be above 0 and at most 1; nothing breaks it otherwise")
    bound = gate.at_most if gate.at_most is not None else gate.lose_at_most
    if bound is not None:
        require(0 <= bound < worst, f"{what}: '{gate.bound}' can hardly be broken; give a bound below {worst:.4g}")


def _step_is_felt(name: str, step: float, config: "Config", what: str) -> None:
    [column] = [column for column in config.features if column.name == name]
    if isinstance(column, Number):
        require(not column.integer or step == int(step), f"{what}: {name} is whole, step is not")
        least = (column.high - column.low) * 1e-4
        require(step >= least, f"{what}: a step below {least:g} changes nothing that the model could see")


def _table_promises(config: "Config") -> None:
    columns = {column.name: column for column in (*config.features, config.target)}
    for rule in config.dataset:
        if isinstance(rule, Resembles):
            require(
                rule.at_most <= MOST_DIVERGENCE,
                f"DATASET: Resembles({rule.column!r}): at_most above {MOST_DIVERGENCE:g} asks for nothing",
            )
        if isinstance(rule, MissingShare):
            column = columns[rule.column]
            allowed = isinstance(column, Number | Category) and column.missing
            require(allowed, f"DATASET: MissingShare({rule.column!r}): the column may not be missing at all")
        pairs = [(rule.column, rule.value)] if isinstance(rule, Share) else []
        pairs += [rule.where] if isinstance(rule, Share) and rule.where else []
        for name, value in pairs:
            column = columns[name]
            known: tuple[str | int, ...] = column.values if isinstance(column, Category) else ()
            known = column.labels if isinstance(column, Binary | Classes) else known
            require(not known or value in known, f"DATASET: Share({name!r}): {value!r} is no declared value")
