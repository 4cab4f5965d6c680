"""The model: edit `build` to fit another one.

What `build` returns is served as an ONNX graph; `fit` proves on every test row that it is exact, before it registers
anything. Known to convert wrongly without a warning, and so refused: one-hot encoders fed with NaN, isotonic
calibration. What has no ONNX form, as boosting that is handed the categories themselves, is served by scikit-learn,
many times slower; so is any pipeline if MODEL says runtime="skops".
"""

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from validation.contract import Config
from validation.words.columns import Category

ESTIMATOR = "estimator"  # the step that takes the sample weights


def build(config: Config) -> Pipeline:
    """Return the unfitted pipeline: one-hot categories, numbers as they are, histogram gradient boosting."""
    categories = [column.name for column in config.inputs if isinstance(column, Category)]
    # Unseen values become all zeros, exactly so in ONNX; `min_frequency` would not: its graph fails on an unseen value
    # of a column that has no rare one. Rare values need no grouping: a leaf takes 20 rows at least.
    encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
    encode = ColumnTransformer([("categories", encoder, categories)], remainder="passthrough")
    kind = HistGradientBoostingRegressor if config.target.kind == "quantity" else HistGradientBoostingClassifier
    # Early stopping is on by default beyond 10,000 rows and would hold back a random part of them
    estimator = kind(early_stopping=False, random_state=config.seed, **config.model.parameters)
    return Pipeline([("encode", encode), (ESTIMATOR, estimator)])


def sample_weights(
    frame: pd.DataFrame, outcome: "np.ndarray[tuple[int], np.dtype[np.float64]]", config: Config
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Weigh rows so that group and outcome come closer to independence; shape (rows,), mean about 1.

    w = (P(group) P(outcome) / P(group, outcome)) ** strength: Kamiran and Calders, Data preprocessing techniques for
    classification without discrimination (2012), softened by the strength, since the full weight overcorrects the true
    positive rates.
    """
    if config.model.reweigh_by is None or config.model.reweigh_strength == 0:
        return np.ones(len(frame))
    table = pd.DataFrame({"group": frame[config.model.reweigh_by].to_numpy(), "outcome": outcome})
    rows = len(table)
    of_group = table.groupby("group", dropna=False)["group"].transform("size").to_numpy()
    of_outcome = table.groupby("outcome")["outcome"].transform("size").to_numpy()
    of_both = table.groupby(["group", "outcome"], dropna=False)["outcome"].transform("size").to_numpy()
    return np.asarray((of_group * of_outcome / (rows * of_both)) ** config.model.reweigh_strength, dtype="float64")
