"""What the model gates look at: the rows of the frozen test part, scored by the code that serves."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from serve.bundle import BundleError
from serve.model import Model
from train.data import as_columns, load, model_inputs, outcomes, split
from validation.contract import Config
from validation.script import Refusal

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

    Raises Refusal when it is damaged.
    """
    try:
        return Model(folder)
    except BundleError as error:
        raise Refusal(str(error)) from None


def test_rows(config: Config) -> pd.DataFrame:
    """Load the frozen test part, its row digests as the index."""
    return split(load(config), config).test


def score(model: Model, inputs: pd.DataFrame) -> Array:
    """Score model inputs by the path that serves: shape (rows, labels), or (rows, 1)."""
    return model.outputs(as_columns(inputs)).astype("float64")


def judge_rows(folder: Path, rows: pd.DataFrame, config: Config) -> Judged:
    """Score rows with a sealed model.

    Raises Refusal when the model takes a column that these data do not have, or predicts another target.
    """
    model = open_model(folder)
    wanted = [spec["name"] for spec in model.inputs]
    have = {column.name: column for column in config.inputs}
    missing = [name for name in wanted if name not in have]
    if missing or (model.target["name"], list(model.labels)) != (config.target.name, list(config.target.labels)):
        raise Refusal(
            f"the model was made for another contract ({', '.join(missing) or 'its target'} differs); fit it again"
        )
    inputs = model_inputs(rows, config)[wanted]
    return Judged(model, rows, inputs, outcomes(rows, config), score(model, inputs))
