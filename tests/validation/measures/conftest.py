"""A made-up contract and model for each kind of target, small enough to reason about."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from train.bundle import contract_of
from train.data import model_inputs, outcomes, row_digests
from train.edges import golden_rows
from validation.contract import Config
from validation.judged import Judged, score
from validation.words.bounds import Gate
from validation.words.columns import Binary, Category, Classes, Number, Quantity
from validation.words.expectations import Rows
from validation.words.settings import Groups, Model

N = 3000
KINDS = ("binary", "classes", "quantity")
TARGETS = {
    "binary": Binary("dear", positive="yes", negative="no"),
    "classes": Classes("dear", values=("low", "middle", "high")),
    "quantity": Quantity("dear", low=0, high=1000, unit="CHF"),
}
FIRST = {"binary": "accuracy", "classes": "accuracy", "quantity": "r2"}
BY_GROUP = {
    "binary": "demographic_parity_difference",
    "classes": "demographic_parity_difference",
    "quantity": "mean_error_difference",
}
FEATURES = (
    Number("size", low=0, high=100, unit="m2"),
    Number("number of rooms", low=0, high=20, integer=True, missing=True),
    Category("town", values=("a", "b", "c & d"), missing=True, unseen="other"),
    Number("unused", low=-5, high=5),
    Category("group", values=("x", "y"), hidden=True),
    Category("side", values=("l", "r"), hidden=True, missing=True),
)


def signal(columns: dict[str, Any]) -> np.ndarray:
    """What drives the toy: the size, and living in town a; from 0 to 1."""
    return np.asarray(columns["size"], "float64") / 125 + 0.2 * (np.asarray(columns["town"], object) == "a")


@dataclass
class Toy:
    """A model by formula, with the face of serve.model.Model."""

    config: Config
    formula: Callable[[dict[str, Any]], np.ndarray]

    def __post_init__(self) -> None:
        contract = contract_of(self.config)
        self.inputs, self.target = contract["inputs"], contract["target"]
        self.golden_rows = golden_rows(self.config)[0]

    @property
    def labels(self) -> list[Any]:
        """The labels in the order of the outputs."""
        return list(self.target["labels"])

    def outputs(self, columns: dict[str, Any]) -> np.ndarray:
        """Score columns by the formula, whose levels are 0 to 1."""
        level = self.formula(columns)
        if self.target["kind"] == "quantity":
            return (1000 * level)[:, None].astype("float32")
        high = 1 / (1 + np.exp(-12 * (level - 0.6)))
        if self.target["kind"] == "binary":
            return np.stack([1 - high, high], axis=1).astype("float32")
        low = 1 / (1 + np.exp(12 * (level - 0.4)))
        raw = np.stack([low, np.full(len(level), 0.3), high], axis=1)
        return (raw / raw.sum(axis=1, keepdims=True)).astype("float32")

    def choices(self, outputs: np.ndarray) -> np.ndarray:
        """Choose the likeliest label."""
        return np.argmax(outputs, axis=1)


@pytest.fixture
def contracts(config: Config) -> Callable[..., Config]:
    """Make the contract of a kind of target; `changed` changes it."""

    def make(kind: str, **changed: object) -> Config:
        first, name = FIRST[kind], BY_GROUP[kind]
        most = 0.5 if kind != "quantity" else 500.0
        settings = {
            "features": FEATURES,
            "target": TARGETS[kind],
            "key": (),
            "sensitive": ("group", "side"),
            "dataset": (Rows(at_least=1, at_most=10**6, why="w"),),
            "model": Model(name="toy", parameters={}),
            "performance": (Gate(first, at_least=0.5, why="w"),),
            "groups": Groups(min_positives=20, min_negatives=20),
            "fairness": tuple(Gate(name, by=by, at_most=most, why="w") for by in ("group", "side", ("group", "side"))),
            "waivers": (),
            "behaviour": (),
        }
        return replace(config, **{**settings, **changed})

    return make


@pytest.fixture
def toy(contracts: Callable[..., Config]) -> Callable[..., tuple[Judged, Config]]:
    """Judge a model by formula on made-up rows that follow `signal`; `spoil` changes the table first."""

    def make(
        kind: str,
        formula: Callable[[dict[str, Any]], np.ndarray] = signal,
        spoil: Callable[[pd.DataFrame], pd.DataFrame] = lambda frame: frame,
        n: int = N,
        **changed: object,
    ) -> tuple[Judged, Config]:
        config = contracts(kind, **changed)
        frame = spoil(table(kind, n))
        frame = frame.set_axis(pd.Index(row_digests(frame, config), name="row"), axis=0)
        inputs, model = model_inputs(frame, config.inputs), Toy(config, formula)
        return Judged(model, frame, inputs, outcomes(frame, config), score(model, inputs)), config

    return make


def table(kind: str, n: int) -> pd.DataFrame:
    """Make up rows whose target follows `signal`."""
    chance = np.random.default_rng(5)
    frame = pd.DataFrame({"size": chance.uniform(0, 100, n), "number of rooms": chance.integers(0, 21, n) * 1.0})
    frame.loc[chance.random(n) < 0.1, "number of rooms"] = np.nan
    frame["town"] = chance.choice(["a", "b", "c & d", None], n, p=[0.3, 0.3, 0.3, 0.1])
    frame["unused"] = chance.uniform(-5, 5, n)
    frame["group"], frame["side"] = chance.choice(["x", "y"], n), chance.choice(["l", "r", None], n, p=[0.6, 0.3, 0.1])
    level = signal(frame)
    if kind == "quantity":
        return frame.assign(dear=(1000 * level + chance.normal(0, 40, n)).clip(0, 1000))
    high = chance.random(n) < 1 / (1 + np.exp(-12 * (level - 0.6)))
    if kind == "binary":
        return frame.assign(dear=np.where(high, "yes", "no"))
    low = chance.random(n) < 1 / (1 + np.exp(12 * (level - 0.4)))
    return frame.assign(dear=np.where(high, "high", np.where(low, "low", "middle")))
