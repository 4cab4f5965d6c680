"""Rows that a service meets and a test part does not hold: made up from the contract, or test rows altered."""

import random
from typing import Any

import numpy as np
import pandas as pd

from validation.contract import MISSING, Config
from validation.words.columns import Category, Number

GOLDEN_ROWS = 64
UNSEEN = "a value never seen"


def golden_rows(config: Config) -> tuple[list[dict[str, Any]], list[str]]:
    """Make up rows from the contract alone, with the kind of each: limits, missing, unseen, then typical ones."""
    chance = random.Random(config.seed)
    typical = [{column.name: _value(column, chance) for column in config.inputs} for _ in range(GOLDEN_ROWS)]
    edges: list[tuple[str, dict[str, Any]]] = []
    for column in config.inputs:
        row = chance.choice(typical)
        if column.missing:
            edges.append(("missing values", row | {column.name: None}))
        if isinstance(column, Number):
            edges += [("limits", row | {column.name: _number(column, limit)}) for limit in (column.low, column.high)]
        elif column.unseen == "other":
            edges.append(("unseen categories", row | {column.name: UNSEEN}))
    for limit in ("low", "high"):
        numbers = {
            column.name: _number(column, getattr(column, limit))
            for column in config.inputs
            if isinstance(column, Number)
        }
        edges.append(("limits", chance.choice(typical) | numbers))
    nothing = {column.name: None for column in config.inputs if column.missing}
    if nothing:
        edges.append(("missing values", chance.choice(typical) | nothing))
    rows = [row for _, row in edges] + typical
    return rows, [kind for kind, _ in edges] + ["typical"] * len(typical)


def _value(column: Number | Category, chance: random.Random) -> Any:
    if column.missing and chance.random() < 0.2:
        return None
    if isinstance(column, Category):
        return chance.choice(column.values)
    return _number(column, chance.uniform(column.low, column.high))


def _number(column: Number, value: float) -> float | int:
    """Round to a value that float32 holds exactly, inside the bounds."""
    if column.integer:
        return min(max(round(value), int(np.ceil(column.low))), int(np.floor(column.high)))
    near = float(np.float32(value))
    if near > column.high:
        near = float(np.nextafter(np.float32(near), np.float32(-np.inf)))
    if near < column.low:
        near = float(np.nextafter(np.float32(near), np.float32(np.inf)))
    return near


def altered(inputs: pd.DataFrame, config: Config) -> dict[str, pd.DataFrame]:
    """Alter model inputs, whose index holds row digests: each row loses one value, or gets one never seen.

    Which column it is follows from the row's digest, so that equal rows are altered alike. A kind for which the
    contract has no column is left out.
    """
    places = np.array([int(str(name), 16) for name in inputs.index], dtype="uint64")
    missing = [column for column in config.inputs if column.missing]
    unseen = [column for column in config.inputs if isinstance(column, Category) and column.unseen == "other"]
    made = {}
    for kind, columns in (("missing", missing), ("unseen", unseen)):
        if not columns:
            continue
        rows = inputs.copy()
        for place, column in enumerate(columns):
            chosen = places % len(columns) == place
            empty: Any = np.nan if isinstance(column, Number) else MISSING
            values = rows[column.name].to_numpy(copy=True)
            values[chosen] = empty if kind == "missing" else UNSEEN
            rows[column.name] = values
        made[kind] = rows
    return made
