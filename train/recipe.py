"""The recipe: what train/model.py builds, fitted on rows that weigh as MODEL says."""

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from train.data import model_inputs
from train.model import ESTIMATOR, build, sample_weights
from validation.contract import Config


def fit_recipe(
    frame: pd.DataFrame, outcome: "np.ndarray[tuple[int], np.dtype[np.float64]]", config: Config
) -> Pipeline:
    """Fit the recipe on rows with all their columns; `outcome` as `train.data.outcomes` gives it, shape (rows,)."""
    weights = {}
    if config.model.reweigh_by is not None:
        weights[f"{ESTIMATOR}__sample_weight"] = sample_weights(frame, outcome, config)
    return build(config).fit(model_inputs(frame, config.inputs), outcome, **weights)
