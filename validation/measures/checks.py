"""The checks of the behaviour gate that change rows, score them again, and count the rows that answer wrongly."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from train.data import model_inputs
from validation.contract import MISSING, Config
from validation.gate import Measure, judged
from validation.judged import Judged, score
from validation.words.behaviours import Direction, Invariance, Missing, Noise
from validation.words.bounds import Bound
from validation.words.columns import Category, Number

SAMPLE = 4000  # rows a check looks at
STILL = 1e-6  # an output that moves less has not moved: float32, another place in the batch

Flags = npt.NDArray[np.bool_]


def always(own: Judged, config: Config) -> list[Measure]:
    """Check what every model must do: answer legally for missing and unseen values, whatever order and spelling."""
    sample = _sample(own, config)
    base = score(own.model, sample)
    measures = []
    for column in config.inputs:
        if column.missing:
            gone = _illegal(own, _without(sample, column), config)
            measures.append(_share(f"illegal outputs without {column.name}", gone))
        if isinstance(column, Category) and column.unseen == "other":
            unseen = _illegal(own, sample.assign(**{column.name: "a value never seen"}), config)
            measures.append(_share(f"illegal outputs for an unseen {column.name}", unseen))
        if isinstance(column, Category) and column.fold:
            spelt = sample.assign(
                **{column.name: [f"  {value.upper()} " if value else value for value in sample[column.name]]}
            )
            measures.append(
                _share(f"outputs that follow the spelling of {column.name}", _moved(base, score(own.model, spelt)))
            )
    turned = score(own.model, sample[sample.columns[::-1]])
    measures.append(_share("outputs that follow the order of columns", _moved(base, turned)))
    shuffled = np.random.default_rng(config.seed).permutation(len(sample))
    back = np.empty_like(base)
    back[shuffled] = score(own.model, sample.iloc[shuffled])
    measures.append(_share("outputs that follow the order of rows", _moved(base, back)))
    return measures


def moving(own: Judged, config: Config) -> list[Measure]:
    """Check each rule of BEHAVIOUR that bounds a share of rows whose outputs move."""
    measures = []
    for rule in config.behaviour:
        if isinstance(rule, Direction):
            measures.append(_direction(own, rule, config))
        elif isinstance(rule, Invariance):
            measures.append(_invariance(own, rule, config))
        elif isinstance(rule, Missing):
            measures.append(_missing(own, rule, config))
        elif isinstance(rule, Noise):
            measures.append(_noise(own, rule, config))
    return measures


def _sample(own: Judged, config: Config) -> pd.DataFrame:
    n = min(SAMPLE, len(own.inputs))
    return own.inputs.sample(n=n, random_state=config.seed)


def _without(rows: pd.DataFrame, column: Number | Category) -> pd.DataFrame:
    return rows.assign(**{column.name: np.float32("nan") if isinstance(column, Number) else MISSING})


def _illegal(own: Judged, rows: pd.DataFrame, config: Config) -> Flags:
    outputs = score(own.model, rows)
    legal = np.isfinite(outputs).all(axis=1)
    if config.target.labels:
        legal &= ((outputs >= 0) & (outputs <= 1)).all(axis=1) & (np.abs(outputs.sum(axis=1) - 1) < 1e-5)
    return np.asarray(~legal)


def _moved(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], slack: float = STILL) -> Flags:
    """Tell which rows have another output; one that is not a number has."""
    return np.asarray(~(np.abs(after - before).max(axis=1) <= max(slack, STILL)))


def _direction(own: Judged, rule: Direction, config: Config) -> Measure:
    """Take a step up in each row that has room for it; count outputs that move the wrong way."""
    [column] = [column for column in config.inputs if column.name == rule.feature]
    sample = _sample(own, config)
    room = sample[sample[rule.feature] + rule.step <= column.high] if isinstance(column, Number) else sample
    if room.empty:
        return judged(rule.measure, "", None, rule.bound, 0, f"no row has room for a step of {rule.step:g}")
    before = score(own.model, room)[:, -1]
    stepped = (room[rule.feature] + rule.step).astype("float32")
    after = score(own.model, room.assign(**{rule.feature: stepped}))[:, -1]
    gain = (after - before) if rule.gives == "more" else (before - after)
    return _share(rule.measure, np.asarray(~(gain >= -rule.slack)), rule.bound, f"step {rule.step:g}", rule.why)


def _invariance(own: Judged, rule: Invariance, config: Config) -> Measure:
    """Give each row the value of another row, from the raw table on; count outputs that move."""
    chance = np.random.default_rng(config.seed)
    n = min(SAMPLE, len(own.rows))
    rows = own.rows.sample(n=n, random_state=config.seed)
    before = score(own.model, model_inputs(rows, config.inputs))
    other = rows[rule.feature].to_numpy()[chance.permutation(n)]
    after = score(own.model, model_inputs(rows.assign(**{rule.feature: other}), config.inputs))
    return _share(rule.measure, _moved(before, after, rule.slack), rule.bound, "", rule.why)


def _missing(own: Judged, rule: Missing, config: Config) -> Measure:
    """Take a value away from the rows that have it; count outputs that move."""
    [column] = [column for column in config.inputs if column.name == rule.feature]
    sample = _sample(own, config)
    values = sample[column.name]
    sample = sample[values.notna() if isinstance(column, Number) else values != MISSING]
    moved = _moved(score(own.model, sample), score(own.model, _without(sample, column)), rule.slack)
    return _share(rule.measure, moved, rule.bound, "", rule.why)


def _noise(own: Judged, rule: Noise, config: Config) -> Measure:
    """Move numbers at random, within their bounds; count outputs that move."""
    chance = np.random.default_rng(config.seed)
    sample = _sample(own, config)
    noisy = sample.copy()
    for column in config.inputs:
        if isinstance(column, Number) and column.name in rule.steps:
            most = rule.steps[column.name]
            step = chance.uniform(-most, most, len(sample))
            if column.integer:
                step = chance.integers(-int(most), int(most) + 1, len(sample)).astype("float64")
            values = sample[column.name].to_numpy("float64") + step
            noisy[column.name] = np.clip(values, column.low, column.high).astype("float32")
    moved = _moved(score(own.model, sample), score(own.model, noisy), rule.slack)
    return _share(rule.measure, moved, rule.bound, "", rule.why)


def _share(name: str, wrong: Flags, bound: Bound | None = None, group: str = "", why: str = "") -> Measure:
    """Judge the share of wrong rows; no row at all fails."""
    value = float(wrong.mean()) if len(wrong) else None
    reason = why or "must hold for every model"
    return judged(name, group, value, bound or Bound(at_most=0), len(wrong), reason)
