"""Parts of the rows that one column, or two together, describe; and the search for the one where the model is worst."""

from collections.abc import Iterator
from dataclasses import dataclass
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
SURE = 1.645  # standard errors: a part is chosen by what its loss is at least, not by the luck of few rows
ALIKE = 0.5  # parts that share more than this of their rows (Jaccard) count as one
CHUNK = 20_000  # rows worked on at a time


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
        if column.name in config.key:  # it names a row
            continue
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
    """Cut numbers at their quartiles; where many rows share one value there are fewer parts, that value's among them.

    The ends of a part come from rows, so they are told only where values may be shown.
    """
    present = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[present], [0.25, 0.5, 0.75]))
    places = np.where(present, np.searchsorted(edges, numbers), -1)
    parts = np.unique(places[present])
    for number, place in enumerate(parts, start=1):
        within = places == place
        low, high = numbers[within].min(), numbers[within].max()
        span = f"{name} {low:g} to {high:g}" if low < high else f"{name} = {low:g}"
        yield span if config.show_values else f"{name} in part {number} of {len(parts)}", within


def worst_slices(judged: Judged, config: Config, least_rows: int, worst: int = 5) -> list[Slice]:
    """Search single columns and pairs for the parts where the loss is surely high; worst first, each unlike the others.

    One half of the rows chooses, the other measures: the maximum of many noisy losses is no honest estimate of any. A
    part needs `least_rows` rows in all, and half as many in each half. Intervals hold 95 %.
    """
    every = losses(judged, config)
    choosing = np.random.default_rng(config.seed).permutation(len(every)) % 2 == 0
    half = least_rows / 2
    singles = [
        (name, rows)
        for name, rows in slices_of(judged.rows, config)
        if rows.sum() >= least_rows and min((rows & choosing).sum(), (rows & ~choosing).sum()) >= half
    ]
    if not singles:
        return []
    names, holds = [name for name, _ in singles], np.stack([rows for _, rows in singles], axis=1)
    ones = np.ones(len(every))
    n, sums, squares = (_pairs(holds, weights * choosing) for weights in (ones, every, every**2))
    others = _pairs(holds, ones * ~choosing)
    large = np.triu((n >= half) & (others >= half) & (n + others >= least_rows))
    with np.errstate(invalid="ignore", divide="ignore"):
        means = sums / n
        at_least = means - SURE * np.sqrt(np.maximum(squares / n - means**2, 0) / n)
    # An output that is no number is the worst there is
    ranks = np.where(large, np.where(np.isfinite(at_least), -at_least, -np.inf), np.inf)
    found: list[tuple[str, Rows]] = []
    for place in np.argsort(ranks, axis=None, kind="stable").tolist():
        first, second = divmod(place, len(names))
        if len(found) == worst or not large[first, second]:
            break
        both = holds[:, first] & holds[:, second]
        if all((both & other).sum() <= ALIKE * (both | other).sum() for _, other in found):
            found.append((names[first] if first == second else f"{names[first]} and {names[second]}", both))
    return [_measured(name, rows, every[rows & ~choosing]) for name, rows in found]


def _pairs(holds: Rows, weights: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Sum weights over the rows that two parts share, for each pair of them; on the diagonal, over a part's own."""
    total = np.zeros((holds.shape[1], holds.shape[1]))
    for start in range(0, len(holds), CHUNK):
        some = holds[start : start + CHUNK].astype("float64")
        total += some.T @ (some * weights[start : start + CHUNK, None])
    return total


def _measured(name: str, rows: Rows, kept: npt.NDArray[np.float64]) -> Slice:
    mean, error = float(kept.mean()), float(kept.std(ddof=1) / np.sqrt(len(kept)))
    return Slice(name, int(rows.sum()), mean, (mean - Z95 * error, mean + Z95 * error))
