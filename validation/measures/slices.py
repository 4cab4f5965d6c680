"""Parts of the rows that one column, or two together, describe; and the search for the one where the model is worst."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from validation.contract import Config
from validation.judged import Judged
from validation.measures.losses import losses
from validation.measures.paired import Interval
from validation.words.columns import Category

Rows = npt.NDArray[np.bool_]
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Slice:
    """A part of the rows with the model's loss on it, measured on rows that did not take part in the search."""

    name: str
    rows: int
    loss: float
    interval: Interval


def slices_of(rows: pd.DataFrame, config: Config) -> Iterator[tuple[str, Rows]]:
    """Name every part that one column describes: a declared value, a quarter of the numbers, or what is missing."""
    for column in config.features:
        values = rows[column.name]
        missing = values.isna().to_numpy()
        if missing.any():
            yield f"{column.name} missing", missing
        if isinstance(column, Category):
            for value in column.values:
                yield f"{column.name} = {value}", (values == value).fillna(False).to_numpy(dtype=bool)
        elif not missing.all():
            yield from _quarters(column.name, values.to_numpy("float64", na_value=np.nan), config)


def _quarters(name: str, numbers: npt.NDArray[Any], config: Config) -> Iterator[tuple[str, Rows]]:
    """Cut numbers at their quartiles; the edges come from rows, so they are told only where values may be shown."""
    edges = np.unique(np.nanquantile(numbers, [0, 0.25, 0.5, 0.75, 1]))
    for place in range(max(len(edges) - 1, 1)):
        low, high = edges[place], edges[min(place + 1, len(edges) - 1)]
        last = place + 2 >= len(edges)
        within = (numbers >= low) & ((numbers <= high) if last else (numbers < high))
        if config.show_values:
            yield f"{name} {low:g} to {'' if last else 'below '}{high:g}", within
        else:
            yield f"{name} in part {place + 1} of {max(len(edges) - 1, 1)}", within


def worst_slices(judged: Judged, config: Config, least_rows: int, worst: int = 5) -> list[Slice]:
    """Search single columns and pairs for the parts with the highest loss; worst first.

    One half of the rows chooses, the other measures: the maximum of many noisy losses is no honest estimate of any. A
    part needs `least_rows` rows in all, and half as many in each half. Intervals hold 95 %.
    """
    every = losses(judged, config)
    choosing = np.random.default_rng(config.seed).permutation(len(every)) % 2 == 0
    singles = [(name, rows) for name, rows in slices_of(judged.rows, config) if rows.sum() >= least_rows]
    found: list[tuple[float, str, Rows]] = []
    for (name, rows), other in [*((single, None) for single in singles), *combinations(singles, 2)]:
        both = rows if other is None else rows & other[1]
        here = both & choosing
        if both.sum() >= least_rows and here.sum() >= least_rows / 2 and (both & ~choosing).sum() >= least_rows / 2:
            found.append((float(every[here].mean()), name if other is None else f"{name} and {other[0]}", both))
    found.sort(key=lambda one: (-one[0] if np.isfinite(one[0]) else -np.inf, one[1]))
    return [_measured(name, rows, every[rows & ~choosing]) for _, name, rows in found[:worst]]


def _measured(name: str, rows: Rows, kept: npt.NDArray[np.float64]) -> Slice:
    mean, error = float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept)))
    return Slice(name, int(rows.sum()), mean, (mean - Z95 * error, mean + Z95 * error))
