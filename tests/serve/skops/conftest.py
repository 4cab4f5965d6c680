"""Small fitted pipelines, one for each type that the service builds beside those of skops' own list."""

import json
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.feature_selection import SelectKBest, f_classif, f_regression
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import KBinsDiscretizer, SplineTransformer
from sklearn.tree import DecisionTreeClassifier

from serve.skops.pipeline import made_by
from train.stable import stable

N = 120
FEW = {"max_iter": 5, "early_stopping": False, "random_state": 0}
ENCODE = ColumnTransformer([("size", "passthrough", ["size", "age"])])

STEPS: dict[str, Callable[[], list[tuple[str, Any]]]] = {
    "categories": lambda: [("estimator", HistGradientBoostingClassifier(categorical_features=["town"], **FEW))],
    "quantity": lambda: [("estimator", HistGradientBoostingRegressor(categorical_features=["town"], **FEW))],
    "forest": lambda: [("encode", ENCODE), ("estimator", RandomForestClassifier(n_estimators=3, random_state=0))],
    "stages": lambda: [("encode", ENCODE), ("estimator", GradientBoostingClassifier(n_estimators=3, random_state=0))],
    "splines": lambda: [("encode", ENCODE), ("bend", SplineTransformer(4)), ("estimator", LogisticRegression())],
    "bins": lambda: [
        ("encode", ENCODE),
        ("fill", SimpleImputer()),
        ("cut", KBinsDiscretizer(3, encode="ordinal", quantile_method="averaged_inverted_cdf")),
        ("estimator", LogisticRegression()),
    ],
    "calibrated": lambda: [("encode", ENCODE), ("estimator", CalibratedClassifierCV(LogisticRegression(), cv=2))],
    "votes": lambda: [
        ("encode", ENCODE),
        ("choose", SelectKBest(f_classif, k=1)),
        ("estimator", VotingClassifier([("a", DecisionTreeClassifier(max_depth=2))], voting="soft")),
    ],
    "stacked": lambda: [
        ("encode", ENCODE),
        ("choose", SelectKBest(f_regression, k=1)),
        ("estimator", StackingClassifier([("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=2))])),
    ],
    "network": lambda: [("encode", ENCODE), ("estimator", MLPClassifier((3,), tol=1.0, random_state=0))],
}


def rows() -> pd.DataFrame:
    """Rows as a pipeline gets them: float32 and texts."""
    chance = np.random.default_rng(0)
    numbers = {name: chance.uniform(0, 9, N).astype("float32") for name in ("size", "age")}
    return pd.DataFrame(numbers | {"town": chance.choice(np.array(["a", "b", "c"], dtype=object), N)})


def fitted(name: str) -> Pipeline:
    """Fit one of the pipelines."""
    frame = rows()
    return Pipeline(STEPS[name]()).fit(frame, (frame["size"] + 4 * (frame["town"] == "a") > 6).astype("float64"))


def written(pipeline: Any) -> bytes:
    """Write what a pipeline is as training does, whatever its types are."""
    return stable(skops.io.dumps(pipeline), made_by())


def forged(content: bytes, change: Callable[[dict[str, Any]], None], **files: bytes) -> bytes:
    """Change the schema of a skops file, and add files to it."""
    made = BytesIO()
    with zipfile.ZipFile(BytesIO(content)) as archive, zipfile.ZipFile(made, "w") as other:
        other.comment = archive.comment
        for name in archive.namelist():
            data = archive.read(name)
            if name == "schema.json":
                schema = json.loads(data)
                change(schema)
                data = json.dumps(schema).encode()
            other.writestr(name, data)
        for name, data in files.items():
            other.writestr(name, data)
    return made.getvalue()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes as a model.skops."""

    def write(content: bytes) -> Path:
        (tmp_path / "model.skops").write_bytes(content)
        return tmp_path / "model.skops"

    return write
