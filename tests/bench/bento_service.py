"""The example's pipeline as BentoML's users serve it: rows in, the pipeline on a frame. MODEL names its folder."""

import os
from pathlib import Path

import bentoml
import cloudpickle
import pandas as pd


@bentoml.service
class Income:
    """The pipeline that `mlflow.sklearn.save_model` wrote."""

    def __init__(self) -> None:
        self.pipeline = cloudpickle.loads(Path(os.environ["MODEL"], "model.pkl").read_bytes())

    @bentoml.api
    def predict(self, rows: list[dict]) -> list[list[float]]:
        """Score rows; shape (rows, 2)."""
        frame = pd.DataFrame(rows)
        texts = [name for name, kind in zip(frame.columns, frame.dtypes, strict=True) if kind == "object"]
        frame[texts] = frame[texts].fillna("")
        return self.pipeline.predict_proba(frame).tolist()
