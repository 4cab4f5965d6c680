"""Models to measure the gates with: equal ones, seeded faults, and the recipe without reweighing.

Outputs have shape (rows of the test part, labels), or (rows, 1) for a quantity.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.pipeline import Pipeline

from train.bundle import fitted_outputs
from train.data import Parts, model_inputs, outcomes
from train.recipe import fit_recipe
from validation.contract import Config
from validation.measures.losses import row_losses
from validation.measures.metrics import Array
from validation.script import Refusal

SUBSAMPLE = 0.8  # of the training rows, that an equal model is fitted on
PLAIN = 4  # fits without reweighing
SAMPLE = 4000  # rows on which the most important column is found
WEIGHT = 3  # of a label that weighs too much
SHRUNK = 0.5  # of the way to the mean

Progress = Callable[[str, int], Iterable[int]]  # counts steps, and tells how far they are


@dataclass(frozen=True)
class Models:
    """What each model gives on the test part; `plain` were fitted on the rows of the first of `equal`."""

    champion: Array
    equal: Sequence[Array]
    plain: Sequence[Array]
    faults: Mapping[str, Array]


@dataclass(frozen=True)
class Fit:
    """A model to be fitted: on which training rows (by place, some more than once), with which outcomes."""

    rows: npt.NDArray[np.intp]
    outcome: Array
    config: Config
    constant: str = ""

    def pipeline(self, train: pd.DataFrame) -> Pipeline:
        """Fit the recipe; a constant column holds its most frequent value in every row."""
        frame = train.iloc[self.rows]
        if self.constant and frame[self.constant].notna().any():
            frame = frame.assign(**{self.constant: frame[self.constant].mode().iloc[0]})
        return fit_recipe(frame, self.outcome, self.config)


def fit_models(parts: Parts, config: Config, equal: int, progress: Progress) -> Models:
    """Fit the recipe as it is, `equal` times on other rows, with faults, and without reweighing where it reweighs.

    Raises Refusal when a label is so rare that a fit does not see it.
    """
    test, outcome = model_inputs(parts.test, config.inputs), outcomes(parts.test, config)
    whole = Fit(np.arange(len(parts.train)), outcomes(parts.train, config), config)
    pipeline = whole.pipeline(parts.train)
    champion = _outputs(pipeline, test, config)
    equals = [_part(whole, SUBSAMPLE, config.seed + number) for number in range(1, equal + 1)]
    plain = replace(config, model=replace(config.model, reweigh_strength=0.0))
    reweighs = config.model.reweigh_by is not None and config.model.reweigh_strength > 0
    plains = [replace(fit, config=plain) for fit in equals[:PLAIN]] if reweighs else []
    column = most_important(pipeline, test, outcome, config)
    faults = faulty(whole) | {f"{column} was constant in the training rows": replace(whole, constant=column)}
    fits = [*equals, *plains, *faults.values()]
    found = [_outputs(fits[place].pipeline(parts.train), test, config) for place in progress("fits", len(fits))]
    first = len(equals) + len(plains)
    spoilt = dict(zip(faults, found[first:], strict=True)) | {bent_name(config): bent(champion, config)}
    return Models(champion, found[: len(equals)], found[len(equals) : first], spoilt)


def _outputs(pipeline: Pipeline, inputs: pd.DataFrame, config: Config) -> Array:
    outputs = fitted_outputs(pipeline, inputs, config)
    if config.target.labels and outputs.shape[1] != len(config.target.labels):
        raise Refusal(f"column {config.target.name}: a label is too rare, a part of the training rows has none of it")
    return outputs


def _part(whole: Fit, share: float, seed: int) -> Fit:
    """Fit on a share of the rows, with another seed."""
    kept = np.flatnonzero(np.random.default_rng(seed).random(len(whole.rows)) < share)
    return replace(whole, rows=whole.rows[kept], outcome=whole.outcome[kept], config=replace(whole.config, seed=seed))


def faulty(whole: Fit) -> dict[str, Fit]:
    """Name faults of the training rows, each as a fit: wrong outcomes, few rows, a label that weighs too much."""
    config = whole.config
    fits = {
        f"{share * 100:.0f} % of the training outcomes are wrong": replace(
            whole, outcome=noisy(whole.outcome, share, config)
        )
        for share in (0.05, 0.15)
    }
    fits["a quarter of the training rows"] = replace(_part(whole, 0.25, config.seed), config=config)
    if config.target.labels:
        counts = np.bincount(whole.outcome.astype(int), minlength=len(config.target.labels))
        place = 1 if config.target.kind == "binary" else int(counts.argmin())
        more = np.repeat(np.arange(len(whole.rows)), np.where(whole.outcome == place, WEIGHT, 1))
        name = f"the label {config.target.labels[place]} weighs {WEIGHT} times as much"
        fits[name] = replace(whole, rows=whole.rows[more], outcome=whole.outcome[more])
    return fits


def noisy(outcome: Array, share: float, config: Config) -> Array:
    """Spoil a share of the outcomes: another label, or the quantity of another row."""
    chance = np.random.default_rng(config.seed)
    wrong = chance.random(len(outcome)) < share
    labels = len(config.target.labels)
    other = (outcome + chance.integers(1, labels, len(outcome))) % labels if labels else chance.permutation(outcome)
    return np.asarray(np.where(wrong, other, outcome), dtype="float64")


def bent_name(config: Config) -> str:
    """Name the fault of `bent`."""
    return "every output is half-way to the mean" if config.target.kind == "quantity" else "the scores are squared"


def bent(outputs: Array, config: Config) -> Array:
    """Bend outputs and leave their order: square the scores, or draw quantities towards their mean."""
    if config.target.kind == "quantity":
        return np.asarray(outputs + SHRUNK * (outputs.mean() - outputs))
    if config.target.kind == "binary":
        return np.column_stack([1 - outputs[:, 1] ** 2, outputs[:, 1] ** 2])
    return np.asarray(outputs**2 / (outputs**2).sum(axis=1, keepdims=True))


def most_important(pipeline: Pipeline, inputs: pd.DataFrame, outcome: Array, config: Config) -> str:
    """Name the input whose permutation raises the loss most, on a sample of the rows."""
    chance = np.random.default_rng(config.seed)
    places = chance.permutation(len(inputs))[:SAMPLE]
    rows, true, other = inputs.iloc[places], outcome[places], chance.permutation(len(places))
    rises = {}
    for name in map(str, rows):
        mixed = rows.assign(**{name: rows[name].to_numpy()[other]})
        rises[name] = float(row_losses(true, _outputs(pipeline, mixed, config), 1.0, config).mean())
    return max(rises, key=rises.__getitem__)
