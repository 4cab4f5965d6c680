"""What drives the model: the importance of each input, and what each adds to the output of single rows."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from validation.contract import Config
from validation.judged import Judged, score
from validation.measures.losses import row_losses
from validation.measures.metrics import Array
from validation.measures.paired import Interval

SAMPLE = 3000  # rows that importances are measured on
REPEATS = 5
BACKGROUND = 64  # orders in which a row's values are put in, each over another row
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Importance:
    """By how much the loss rises when an input is taken from other rows, with a 95 % interval."""

    feature: str
    rise: float
    interval: Interval


def importances(judged: Judged, rows: npt.NDArray[np.intp], config: Config) -> list[Importance]:
    """Permute each input among some rows of the test part, by their places, and measure how the loss rises.

    Breiman, Random Forests (2001), section 10; for any model: Fisher, Rudin and Dominici, All models are wrong, but
    many are useful (2019). In the order of the inputs; the interval is over rows, of each row's mean over the repeats.
    """
    chance = np.random.default_rng(config.seed)
    inputs, outcome = judged.inputs.iloc[rows], judged.outcome[rows]
    variance = float(judged.outcome.var())
    before = row_losses(outcome, judged.outputs[rows], variance, config)
    found = []
    for name in inputs:
        rises = np.zeros(len(rows))
        for _ in range(REPEATS):
            other = inputs[name].to_numpy()[chance.permutation(len(rows))]
            rises += row_losses(outcome, score(judged.model, inputs.assign(**{str(name): other})), variance, config)
        rises = rises / REPEATS - before
        error = float(rises.std(ddof=1) / np.sqrt(len(rises))) if len(rises) > 1 else float("nan")
        rise = float(rises.mean())
        found.append(Importance(str(name), rise, (rise - Z95 * error, rise + Z95 * error)))
    return found


def sample_of(n: int, config: Config, most: int = SAMPLE) -> npt.NDArray[np.intp]:
    """Draw places of rows without repetition."""
    return np.random.default_rng(config.seed).permutation(n)[:most]


def agreement(judged: Judged, config: Config) -> float:
    """Rank the inputs by importance on two halves of a sample: the rank correlation, -1 to 1 (Spearman).

    NaN with fewer than three inputs, or where no input has any importance.
    """
    from scipy.stats import rankdata

    sample = sample_of(len(judged.inputs), config, 2 * SAMPLE)
    halves = [importances(judged, half, config) for half in (sample[::2], sample[1::2])]
    ranks = [rankdata([one.rise for one in half]) for half in halves]
    if len(ranks[0]) < 3 or not all(np.isfinite(one.rise) for half in halves for one in half):
        return float("nan")
    with np.errstate(invalid="ignore"):
        return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def contributions(judged: Judged, row: pd.DataFrame, config: Config) -> tuple[float, float, Array]:
    """Share one row's output among its inputs; `row` is a frame of one row of model inputs.

    Returns the mean output of the background (the base), the row's output, and each input's contribution in the order
    of the inputs: base and contributions add up to the output. Sampled Shapley values: Štrumbelj and Kononenko,
    Explaining prediction models and individual predictions with feature contributions (2014). The output is the
    probability of the positive label, or of the likeliest, or the quantity.
    """
    chance = np.random.default_rng(config.seed)
    names = [str(name) for name in judged.inputs]
    others = judged.inputs.iloc[chance.integers(0, len(judged.inputs), BACKGROUND)]
    orders = np.array([chance.permutation(len(names)) for _ in range(BACKGROUND)])
    # Step k of an order has the first k inputs from the row, the rest from the other row
    place_of = np.argsort(orders, axis=1)
    steps = np.arange(len(names) + 1)
    from_row = place_of[:, None, :] < steps[None, :, None]  # (background, steps, inputs)
    mixed: dict[str, Any] = {}
    for place, name in enumerate(names):
        there = np.repeat(others[name].to_numpy(), len(steps))
        here = np.full(len(there), row[name].iloc[0], dtype=there.dtype)
        mixed[name] = np.where(from_row[:, :, place].ravel(), here, there)
    outputs = score(judged.model, pd.DataFrame(mixed))
    kind = config.target.kind
    chosen = int(score(judged.model, row)[0].argmax()) if kind == "classes" else -1
    walked = outputs[:, chosen].reshape(BACKGROUND, len(steps))
    gains = np.diff(walked, axis=1)  # in the order of each walk
    shares = np.take_along_axis(gains, place_of, axis=1).mean(axis=0)
    return float(walked[:, 0].mean()), float(walked[:, -1].mean()), np.asarray(shares, dtype="float64")
