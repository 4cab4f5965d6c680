"""Each gate has a poison that turns it red for the right reason, through the scripts that the pipeline runs."""

import json
from collections.abc import Callable

import pandas as pd
import pytest

from tests.conftest import Ran, Workspace

GATES = ("performance", "fairness", "behaviour", "parity")


def judged(workspace: Workspace, *gates: str) -> dict[str, Ran]:
    """Fit what the workspace holds now as version 2, and judge it by gates."""
    scripts = [["train.fit"], *([f"validation.{gate}", "--model-version", "2"] for gate in gates)]
    fitted, *ran = workspace.run_all(*scripts)
    assert (0, "model-version=2") == (fitted.code, fitted.out.strip()), fitted.err
    return dict(zip(gates, ran, strict=True))


MODELS = {
    "three trees": (
        "performance",
        [("config.py", '"max_iter": 100', '"max_iter": 3')],
        "performance: model version 2: log_loss is 0.4",
    ),
    "good enough, but worse than the champion": (
        "performance",
        [("config.py", '"max_iter": 100', '"max_iter": 35')],
        "performance: model version 2: log_loss lost to the champion (version 1) is 0.01",
    ),
    "no mitigation": (
        "fairness",
        [("config.py", "reweigh_strength=0.55", "reweigh_strength=0.0")],
        "fairness: model version 2: demographic_parity_difference by sex (sex: Female, Male) is 0.18",
    ),
    "a model that sees sex": (
        "behaviour",
        [("config.py", 'values=("Female", "Male"), hidden=True', 'values=("Female", "Male")')],
        "behaviour: model version 2: rows that sex moves is 0.",
    ),
    "a service that computes otherwise": (
        "parity",
        [("train/bundle.py", 'outputs = {"output": fitted}', 'outputs = {"output": fitted + 1e-3}')],
        "parity: model version 2: largest difference (test rows) is 0.001",
    ),
    "a graph that is too large": (
        "parity",
        [("config.py", '"max_leaf_nodes": 31', '"max_leaf_nodes": 300')],
        "parity: model version 2: bytes of the model is ",
    ),
}


@pytest.mark.parametrize("poison", MODELS)
def test_a_poisoned_model_turns_its_gate_red(chain_copy: Workspace, poison: str) -> None:
    """The gate exits with 1, its sentence names the measure, and neither report nor export nor promotion lets it by."""
    gate, changes, sentence = MODELS[poison]
    for change in changes:
        chain_copy.change(*change)
    ran = judged(chain_copy, *GATES)
    assert (1, True) == (ran[gate].code, sentence in ran[gate].err), ran[gate].err
    after = chain_copy.run_all(
        ["validation.report", "--model-version", "2"],
        ["serve.export", "--model-version", "2", "--to", "build/second"],
        ["train.promote", "--model-version", "2"],
    )
    assert [1, 1, 1] == [one.code for one in after]
    assert all(sentence in one.err for one in after)
    assert not (chain_copy.root / "build/second").exists()


def without_a_group(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame["sex"] == "Male"]


def one_bad_row(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(1).assign(age=-3)])


def twice(frame: pd.DataFrame) -> pd.DataFrame:
    return pd.concat([frame, frame.head(1000)])


def shifted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(age=(frame["age"] + 15).clip(upper=100))


DATA: dict[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a row that breaks a rule": (
        "schema",
        one_bad_row,
        "schema: the data: age is from 17 to 100 is 1, bound: at most 0",
    ),
    "rows appended twice": ("dataset", twice, "dataset: the data: share of repeated rows is 0.02"),
    "another population": ("dataset", shifted, "dataset: the data: divergence of age from the reference is"),
    "half of the rows": ("dataset", lambda frame: frame.head(20_000), "dataset: the data: rows is 20000, bound: 40000"),
}


@pytest.mark.parametrize("poison", DATA)
def test_poisoned_data_turn_their_gate_red(chain_copy: Workspace, poison: str) -> None:
    """Rows by the schema, the whole table by the data set's promises."""
    gate, spoil, sentence = DATA[poison]
    path = chain_copy.root / "data/census.parquet"
    spoil(pd.read_parquet(path)).reset_index(drop=True).to_parquet(path)
    ran = chain_copy.run(f"validation.{gate}")
    assert (1, True) == (ran.code, sentence in ran.err), ran.err


def test_a_group_that_vanished_cannot_be_judged(chain_copy: Workspace) -> None:
    """Without its rows the frozen test part is not whole: nothing is judged on the rest."""
    path = chain_copy.root / "data/census.parquet"
    without_a_group(pd.read_parquet(path)).to_parquet(path)
    ran = chain_copy.run("validation.fairness", "--model-version", "1")
    assert (2, "") == (ran.code, ran.out)
    assert "rows of the frozen test part" in ran.err


@pytest.mark.parametrize("gate", [*GATES, "schema", "dataset"])
def test_a_gate_that_crashes_leaves_no_verdict(chain_copy: Workspace, gate: str) -> None:
    """A fault in a gate's own code is a sentence, a red exit, and no verdict for the report to believe."""
    words = chain_copy.root / "validation/words/bounds.py"
    text = words.read_text()
    words.write_text(text.replace("    def holds(self", "    def holds_no_more(self"))
    about = [] if gate in ("schema", "dataset") else ["--model-version", "1"]
    ran = chain_copy.run(f"validation.{gate}", *about)
    assert (2, "") == (ran.code, ran.out)
    assert "AttributeError" in ran.err
    assert "Traceback" not in ran.err
    words.write_text(text)
    assert not (chain_copy.root / f"build/verdicts/{gate}.json").exists()
    report = chain_copy.run("validation.report", "--model-version", "1")
    assert (1, True) == (report.code, f"{gate}.json: the verdict is missing" in report.err)


@pytest.mark.parametrize("gate", GATES)
def test_a_verdict_for_another_version_is_not_reused(chain_copy: Workspace, gate: str) -> None:
    """A verdict that was renamed for this version is about another model."""
    path = chain_copy.root / f"build/verdicts/{gate}.json"
    chain_copy.forge(gate, model_version=2)
    assert json.loads(path.read_text())["model_version"] == 2
    report = chain_copy.run("validation.report", "--model-version", "1")
    assert (1, True) == (report.code, f"{gate}: the verdict is about another model" in report.err)
