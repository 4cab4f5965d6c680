"""What the model gates look at: the rows of the frozen test part, scored by the code that serves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from serve.bundle import BundleError, OtherLibraryError
from serve.model import Model
from train.data import Parts, as_columns, load, model_inputs, outcomes, split
from validation.contract import Config
from validation.script import Refusal
from validation.words.columns import Number

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """A model and the rows it is judged on: all columns, the inputs, outcomes and outputs, in the same order."""

    model: Model
    rows: pd.DataFrame
    inputs: pd.DataFrame
    outcome: Array
    outputs: Array


def open_model(folder: Path) -> Model:
    """Open a sealed model folder.

    Raises Refusal when it is damaged, OtherLibraryError when its library is here in another version, and cannot.
    """
    try:
        return Model(folder)
    except OtherLibraryError:
        raise
    except BundleError as error:
        raise Refusal(str(error)) from None


def judging_parts(config: Config) -> Parts:
    """Load and split the data: training rows, frozen test part, and the window that came later."""
    return split(load(config), config)


def score(model: Model, inputs: pd.DataFrame) -> Array:
    """Score model inputs by the path that serves: shape (rows, labels), or (rows, 1)."""
    return model.outputs(as_columns(inputs)).astype("float64")


class UnlikeError(Exception):
    """A model was made for another contract: it cannot score these rows, or predicts something else."""


def judge_rows(folder: Path, rows: pd.DataFrame, config: Config) -> Judged:
    """Score rows with a sealed model, which may see columns that are hidden from newer ones.

    Raises UnlikeError when it takes a column that these data do not have, or predicts another target, or was written
    by a version of scikit-learn that the lock no longer holds and that of now cannot run it.
    """
    try:
        return _judged(open_model(folder), rows, config)
    except OtherLibraryError as error:
        raise UnlikeError(f"made with another version of its library ({error})") from None


def _judged(model: Model, rows: pd.DataFrame, config: Config) -> Judged:
    declared = {column.name: column for column in config.features}
    kinds = {column.name: "number" if isinstance(column, Number) else "category" for column in config.features}
    unlike = [spec["name"] for spec in model.inputs if kinds.get(spec["name"]) != spec["type"]]
    if (model.target["name"], model.target["kind"], model.labels) != (
        config.target.name,
        config.target.kind,
        list(config.target.labels),
    ):
        unlike.append(config.target.name)
    if unlike:
        raise UnlikeError(f"made for another contract ({', '.join(unlike)})")
    inputs = model_inputs(rows, [declared[spec["name"]] for spec in model.inputs])
    return Judged(model, rows, inputs, outcomes(rows, config), score(model, inputs))


def judge_own(folder: Path, rows: pd.DataFrame, config: Config) -> Judged:
    """Score rows with the model under judgement.

    Raises Refusal when the model is damaged, or was made for another contract than config.py's.
    """
    try:
        return judge_rows(folder, rows, config)
    except UnlikeError as error:
        raise Refusal(f"this version was {error}; fit it again") from None


def judge_candidate(folder: Path, config: Config) -> Judged:
    """Score the frozen test part with the model under judgement; raises as `judge_own`."""
    return judge_own(folder, judging_parts(config).test, config)
