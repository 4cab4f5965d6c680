"""Somebody else's config.py and data: all three kinds of target, odd names, CSV and Parquet, go the whole way."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

HEAD = """
from validation.contract import *
JOINED = ()
SHOW_VALUES = False
REFERENCE = "data/reference.json"
SPLIT = Split(test_share=0.4, test_part="data/test-part.txt")
SEED = 7
PARITY = 1e-5
COST = Cost(max_bytes=5_000_000, slower_at_most=5.0)
LOOKS = 100
CALIBRATION = "data/calibration.json"
WAIVERS = ()
GROUPS = Groups(min_positives=50, min_negatives=50)
REGISTRY = Registry(branch="ml-registry", max_file_bytes=20_000_000, tries=40)
SERVICE = Service(
    port=8000, max_body_bytes=100_000, max_header_bytes=8_000, max_rows=100, header_seconds=10, body_seconds=30,
    requests_per_second=1_000, burst=2_000, concurrent=64, connections=500, ready_seconds=30,
)
PREDICTION_LOG = PredictionLog(rate=1)
IMAGE = Image(max_mb=220, max_own_mb=160, ready_seconds=1)
DEPLOY = Deploy(
    canary_share=0.2, bake_seconds=60, false_alarms=0.01, error_rate_worse_by=0.01, slower_times=2, slower_by=0.02,
    predictions_shift=0.1, replay_requests=2_000,
)
"""

CLASSES = (
    HEAD
    + """
DATA = "data/wines.csv"
FEATURES = (
    Number("id", low=0, high=1_000_000, integer=True, hidden=True),
    Number("alcohol (%)", low=0, high=30, unit="%"),
    Number("class", low=-5, high=5, missing=True),
    Category("grape-variety", values=("merlot", "pinot noir", "räuschling"), missing=True, fold=True),
)
TARGET = Classes("quality", values=(1, 2, 3))
KEY = ("id",)
SENSITIVE = ()
DATASET = (Rows(at_least=1000, at_most=10_000, why="w"),)
MODEL = Model(name="wines", parameters={"max_iter": 30})
PERFORMANCE = (Gate("macro_f1", at_least=0.6, why="w"), Gate("log_loss", lose_at_most=0.05, why="w"))
FAIRNESS = ()
BEHAVIOUR = (Invariance("id", why="w"),)
"""
)

QUANTITY = (
    HEAD
    + """
DATA = "data/rents.parquet"
FEATURES = (
    Number("size", low=10, high=300, unit="m2"),
    Number("noise", low=-10, high=10),
    Category("town", values=("a", "b", "c"), unseen="other"),
    Category("group", values=("x", "y"), hidden=True),
)
TARGET = Quantity("rent", low=0, high=10_000, unit="CHF a month")
KEY = ()
SENSITIVE = ("group",)
DATASET = (
    Rows(at_least=1000, at_most=10_000, why="w"),
    Resembles("size", at_most=0.05, why="w"),
    Resembles("rent", at_most=0.05, why="w"),
)
MODEL = Model(name="rents", parameters={"max_iter": 60})
PERFORMANCE = (Gate("r2", at_least=0.8, why="w"), Gate("mae", lose_at_most=20, why="w"))
FAIRNESS = (Gate("mean_absolute_error_difference", by="group", at_most=50, why="w"),)
BEHAVIOUR = (Direction("size", gives="more", step=40, tolerate=0.05, slack=20, why="w"),)
"""
)

CODED = (
    HEAD
    + """
DATA = "data/churn.csv"
FEATURES = (
    Number("months", low=0, high=100, integer=True),
    Number("calls", low=0, high=1000, missing=True),
    Category("plan", values=("1", "2", "3")),
)
TARGET = Binary("churned", positive=1, negative=0)
KEY = ()
SENSITIVE = ("plan",)
DATASET = (Rows(at_least=1000, at_most=10_000, why="w"), Share("churned", 1, at_least=0.1, at_most=0.9, why="w"))
MODEL = Model(name="churn", parameters={"max_iter": 30})
PERFORMANCE = (Gate("accuracy", at_least=0.8, why="w"), Gate("brier_score", lose_at_most=0.02, why="w"))
FAIRNESS = (Gate("demographic_parity_difference", by="plan", at_most=0.2, why="w"),)
BEHAVIOUR = (Direction("months", gives="less", step=5, tolerate=0.05, why="w"),)
"""
)

N = 4000


def wines(path: Path) -> None:
    chance = np.random.default_rng(0)
    alcohol, odd = chance.uniform(5, 20, N), chance.normal(0, 1, N).clip(-5, 5)
    score = alcohol / 5 + odd + chance.normal(0, 0.3, N)
    frame = pd.DataFrame({"id": np.arange(N), "alcohol (%)": alcohol, "class": odd})
    frame.loc[chance.random(N) < 0.05, "class"] = np.nan
    frame["grape-variety"] = chance.choice(["merlot", "Pinot  Noir ", "räuschling", "RÄUSCHLING", None], N)
    frame.assign(quality=np.digitize(score, [2, 3.5]) + 1).to_csv(path, index=False)


def rents(path: Path) -> None:
    chance = np.random.default_rng(1)
    size, town = chance.uniform(10, 300, N), chance.choice(["a", "b", "c"], N)
    rent = 200 + 20 * size + 300 * (town == "a") + chance.normal(0, 100, N)
    frame = pd.DataFrame({"size": size, "noise": chance.normal(0, 2, N).clip(-10, 10), "town": town})
    frame.assign(group=chance.choice(["x", "y"], N), rent=rent.clip(0, 10_000)).to_parquet(path)


def churn(path: Path) -> None:
    chance = np.random.default_rng(2)
    months = chance.integers(0, 100, N)
    frame = pd.DataFrame({"months": months, "calls": chance.uniform(0, 1000, N), "plan": chance.choice([1, 2, 3], N)})
    frame.loc[chance.random(N) < 0.1, "calls"] = np.nan
    frame.assign(churned=(months + chance.normal(0, 10, N) < 40).astype(int)).to_csv(path, index=False)


FORKS = {"classes": (CLASSES, wines), "quantity": (QUANTITY, rents), "coded binary": (CODED, churn)}


def data_of(text: str) -> str:
    """Name the file that a config.py names."""
    return text.split('DATA = "')[1].split('"')[0]


@pytest.fixture
def fork(request: pytest.FixtureRequest, workspace):
    """A workspace with another team's config.py and data."""
    text, make = FORKS[request.param]
    (workspace.root / "config.py").write_text(text)
    make(workspace.root / data_of(text))
    return workspace


def judged(version: str) -> list[list[str]]:
    gates = ("performance", "fairness", "behaviour", "parity", "report")
    return [
        *([f"validation.{gate}", "--model-version", version] for gate in gates),
        ["serve.export", "--model-version", version, "--to", "build/model"],
        ["train.promote", "--model-version", version],
    ]


def batch_answers_like(url: str, fork) -> None:
    """Score the fork's data by batch, which goes by the model's trees, and by the service: to the same digits."""
    data = fork.root / data_of((fork.root / "config.py").read_text())
    ran = fork.run("serve.batch", "--input", str(data), "--output", "out.parquet")
    assert 0 == ran.code, ran.err
    assert (fork.root / "build/model/model/trees.npz").is_file()
    inputs = json.loads((fork.root / "build/model/model/contract.json").read_text())["inputs"]
    texts = {spec["name"]: str for spec in inputs if spec["type"] == "category"}
    frame = pd.read_csv(data, dtype=texts) if data.suffix == ".csv" else pd.read_parquet(data)
    scored = pyarrow.parquet.read_table(fork.root / "out.parquet").slice(0, 90).to_pylist()
    rows = frame.iloc[[one["row"] for one in scored]][[spec["name"] for spec in inputs]]
    records = rows.astype(object).where(rows.notna(), None).to_dict("records")
    answers = httpx.post(f"{url}/predict", json={"records": records}).json()["predictions"]
    assert answers == [unfolded(one) for one in scored]


def unfolded(scored: dict) -> dict:
    """Write a row of batch's output as the service writes a prediction."""
    shares = {name.partition("_")[2]: value for name, value in scored.items() if name.startswith("probability_")}
    told = {name: scored[name] for name in ("label", "probability", "value") if name in scored}
    return told | ({"probabilities": shares} if shares else {})


@pytest.mark.parametrize("fork", FORKS, indirect=True)
def test_a_fork_goes_the_whole_way(fork, serving: Callable[..., str]) -> None:
    """Freeze, stages 1 to 4, promotion, service; then a second model, compared with the first."""
    scripts = [["train.init", "freeze"], ["validation.schema"], ["validation.dataset"], ["train.fit"], *judged("1")]
    for script, ran in zip(scripts, fork.run_all(*scripts), strict=True):
        assert 0 == ran.code, f"{script}: {ran.err}{ran.out}"
    url = serving(fork.root / "build/model")
    smoke = fork.run("serve.smoke", "--url", url, "--bundle", "build/model")
    assert 0 == smoke.code, smoke.err
    row = httpx.get(f"{url}/openapi.json").json()["paths"]["/predict"]["post"]
    example = row["requestBody"]["content"]["application/json"]["examples"]["one row"]["value"]
    assert set(httpx.post(f"{url}/predict", json=example).json()["prediction"]) <= {
        "label", "probability", "probabilities", "value",
    }  # fmt: skip
    batch_answers_like(url, fork)
    fork.change("config.py", '"max_iter"', '"learning_rate": 0.12, "max_iter"')
    again = fork.run_all(["train.fit"], *judged("2"))
    assert [0] * 8 == [ran.code for ran in again], [ran.err for ran in again]
    assert "lost to the champion | version 1" in again[1].out


@pytest.mark.parametrize("fork", ["classes"], indirect=True)
def test_private_values_leave_by_no_output(fork) -> None:
    """With SHOW_VALUES off, a canary in the data is in no output, verdict, report or bundle."""
    path = fork.root / "data/wines.csv"
    frame = pd.read_csv(path)
    frame.loc[3, "grape-variety"] = "canary-5d1c"
    frame.to_csv(path, index=False)
    ran = fork.run_all(["train.init", "freeze"], ["validation.schema"], ["validation.dataset"], ["train.fit"])
    assert [0, 1, 0, 0] == [one.code for one in ran]
    ran += fork.run_all(*([f"validation.{gate}", "--model-version", "1"] for gate in ("performance", "report")))
    shown = "".join(one.out + one.err for one in ran)
    written = [*(fork.root / "build").rglob("*.json"), *(fork.root / "build").rglob("*.html")]
    assert "canary" not in shown + "".join(file.read_text(errors="replace") for file in written)
