"""The checks of the behaviour gate: change rows, score them again, count the rows that answer wrongly."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from train.data import model_inputs
from validation.contract import MISSING, Config
from validation.gate import Measure
from validation.gate import judged as held
from validation.judged import Judged, score
from validation.words.behaviours import Direction, Invariance
from validation.words.bounds import Bound
from validation.words.columns import Category, Number

SAMPLE = 4000  # rows a check looks at
STILL = 1e-6  # an output that moves less has not moved: float32, another place in the batch

Flags = npt.NDArray[np.bool_]


def always(judged: Judged, config: Config) -> list[Measure]:
    """Check what every model must do: answer legally for missing and unseen values, and whatever the order."""
    sample = _sample(judged, config)
    base = score(judged.model, sample)
    measures = []
    for column in config.inputs:
        if column.missing:
            empty = np.float32("nan") if isinstance(column, Number) else MISSING
            measures.append(
                _share(f"illegal outputs without {column.name}", _illegal(judged, sample, column.name, empty, config))
            )
        if isinstance(column, Category) and column.unseen == "other":
            unseen = _illegal(judged, sample, column.name, "a value never seen", config)
            measures.append(_share(f"illegal outputs for an unseen {column.name}", unseen))
    turned = score(judged.model, sample[sample.columns[::-1]])
    measures.append(_share("outputs that follow the order of columns", _moved(base, turned)))
    shuffled = np.random.default_rng(config.seed).permutation(len(sample))
    back = np.empty_like(base)
    back[shuffled] = score(judged.model, sample.iloc[shuffled])
    measures.append(_share("outputs that follow the order of rows", _moved(base, back)))
    return measures


def declared(judged: Judged, config: Config) -> list[Measure]:
    """Check each line of BEHAVIOUR."""
    return [
        _direction(judged, rule, config) if isinstance(rule, Direction) else _invariance(judged, rule, config)
        for rule in config.behaviour
        if isinstance(rule, Direction | Invariance)
    ]


def _sample(judged: Judged, config: Config) -> pd.DataFrame:
    n = min(SAMPLE, len(judged.inputs))
    return judged.inputs.sample(n=n, random_state=config.seed)


def _illegal(judged: Judged, sample: pd.DataFrame, column: str, value: "str | np.float32", config: Config) -> Flags:
    outputs = score(judged.model, sample.assign(**{column: value}))
    legal = np.isfinite(outputs).all(axis=1)
    if config.target.labels:
        legal &= ((outputs >= 0) & (outputs <= 1)).all(axis=1) & (np.abs(outputs.sum(axis=1) - 1) < 1e-5)
    return np.asarray(~legal)


def _moved(before: npt.NDArray[np.float64], after: npt.NDArray[np.float64], slack: float = STILL) -> Flags:
    """Tell which rows have another output; one that is not a number has."""
    return np.asarray(~(np.abs(after - before).max(axis=1) <= max(slack, STILL)))


def _direction(judged: Judged, rule: Direction, config: Config) -> Measure:
    """Take a step up in each row that has room for it; count outputs that move the wrong way."""
    [column] = [column for column in config.inputs if column.name == rule.feature]
    name = rule.measure
    sample = _sample(judged, config)
    room = sample[sample[rule.feature] + rule.step <= column.high] if isinstance(column, Number) else sample
    if room.empty:
        return held(name, "", None, rule.bound, 0, f"no row has room for a step of {rule.step:g}")
    before = score(judged.model, room)[:, -1]
    stepped = (room[rule.feature] + rule.step).astype("float32")
    after = score(judged.model, room.assign(**{rule.feature: stepped}))[:, -1]
    gain = (after - before) if rule.gives == "more" else (before - after)
    return _share(name, np.asarray(~(gain >= -rule.slack)), rule.tolerate, f"step {rule.step:g}", rule.why)


def _invariance(judged: Judged, rule: Invariance, config: Config) -> Measure:
    """Give each row the value of another row, from the raw table on; count outputs that move."""
    chance = np.random.default_rng(config.seed)
    n = min(SAMPLE, len(judged.rows))
    rows = judged.rows.sample(n=n, random_state=config.seed)
    before = score(judged.model, model_inputs(rows, config.inputs))
    other = rows[rule.feature].to_numpy()[chance.permutation(n)]
    changed = rows.assign(**{rule.feature: other})
    after = score(judged.model, model_inputs(changed, config.inputs))
    return _share(rule.measure, _moved(before, after, rule.slack), rule.tolerate, "", rule.why)


def _share(name: str, wrong: Flags, tolerate: float = 0.0, group: str = "", why: str = "") -> Measure:
    """Judge the share of wrong rows; no row at all fails."""
    value = float(wrong.mean()) if len(wrong) else None
    reason = why or "must hold for every model"
    return held(name, group, value, Bound(at_most=tolerate), len(wrong), reason)
