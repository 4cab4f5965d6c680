"""Performance: good enough, and no worse than the champion, on the same rows."""

import shutil
from dataclasses import replace

import numpy as np
import pytest

from validation.measures.metrics import METRICS, lost_interval, measure, roc_auc
from validation.performance import judge
from validation.script import Refusal
from validation.words.columns import Number


def verdicts(measures) -> dict[str, str]:
    return {line.measure: line.verdict for line in measures}


def test_the_first_model_has_no_champion_and_passes(candidate, made, config) -> None:
    """The default model meets its floors; that there is nothing to compare with is said."""
    measures = judge(candidate(made("default")), config).measures
    assert {
        "roc_auc": "pass",
        "log_loss": "pass",
        "roc_auc lost to the champion": "first",
        "log_loss lost to the champion": "first",
    } == verdicts(measures)
    assert "no champion yet" in measures[2].why


def test_the_same_model_is_the_same(candidate, made, config) -> None:
    """A candidate with the champion's digest is neither better nor worse."""
    proposed = candidate(made("default"))
    proposed = replace(proposed, champion=proposed.version)
    assert "same" == verdicts(judge(proposed, config).measures)["roc_auc lost to the champion"]


def test_another_seed_of_the_recipe_passes(candidate, made, config) -> None:
    """A model of the same recipe is no worse than the champion, within the margin."""

    def half(train, outcome):
        keep = np.random.default_rng(1).random(len(train)) < 0.8
        return train[keep], outcome[keep]

    measures = judge(candidate(made("eighty percent", half), made("default")), config).measures
    assert set(verdicts(measures).values()) == {"pass"}
    assert all(line.interval[0] <= line.value <= line.interval[1] for line in measures if "lost" in line.measure)


def label_noise(train, outcome):
    flipped = np.random.default_rng(0).random(len(outcome)) < 0.15
    return train, np.where(flipped, 1 - outcome, outcome)


def quarter(train, outcome):
    keep = np.arange(len(train)) % 4 == 0
    return train[keep], outcome[keep]


def zeroed_column(train, outcome):
    return train.assign(capital_gain=0), outcome


@pytest.mark.parametrize("poison", [label_noise, quarter, zeroed_column])
def test_a_worse_model_is_refused(candidate, made, config, poison) -> None:
    """Label noise, a quarter of the data, a zeroed column: each loses more than the margin against the champion."""
    found = verdicts(judge(candidate(made(poison.__name__, poison), made("default")), config).measures)
    assert "fail" in (found["roc_auc lost to the champion"], found["log_loss lost to the champion"])


def test_a_model_below_the_floor_is_refused_without_a_champion(candidate, made, config) -> None:
    """Bounds hold for the first model too."""
    found = verdicts(judge(candidate(made("label_noise", label_noise)), config).measures)
    assert "fail" == found["log_loss"]


def test_a_champion_that_sees_more_is_compared(candidate, made, config) -> None:
    """Hiding a column is no way round the champion: while the data have it, the champion scores with it."""
    sees_more = tuple(replace(column, hidden=False) for column in config.features)
    measures = judge(candidate(made("default"), made("sees all", features=sees_more)), config).measures
    assert all(line.interval for line in measures if "lost" in line.measure)


def test_a_champion_of_another_contract_starts_the_line_anew(candidate, made, config) -> None:
    """When the champion can no longer score the rows, the verdict says so."""
    typed = tuple(
        Number("fnlwgt", low=0, high=2_000_000, hidden=True) if column.name == "fnlwgt" else column
        for column in config.features
    )
    other = made("sees all", features=tuple(replace(column, hidden=False) for column in config.features))
    fewer = replace(
        config, features=tuple(column for column in typed if column.name != "education"), dataset=config.dataset[:1]
    )
    measures = judge(candidate(made("default"), other), fewer).measures
    assert "the line starts anew: the champion was made for another contract (education)" in measures[2].why


def test_a_champion_of_another_test_part_starts_the_line_anew(candidate, made, config) -> None:
    """A champion that may have been fitted on the rows that judge is no fair opponent."""
    proposed = candidate(made("default"), made("label_noise", label_noise))
    other = replace(proposed, champion=replace(proposed.champion, tags={"test-part": "another"}))
    assert {"pass", "fail"} >= set(verdicts(judge(proposed, config).measures).values())
    assert "another test part" in judge(other, config).measures[2].why


def test_a_damaged_champion_is_no_pass(candidate, made, config, tmp_path) -> None:
    """What cannot be compared because it is broken stops the gate."""
    broken = shutil.copytree(made("default"), tmp_path / "broken")
    (broken / "golden.json").unlink()
    with pytest.raises(Refusal, match=r"golden\.json is missing"):
        judge(candidate(made("label_noise", label_noise), broken), config)


@pytest.mark.parametrize("metric", sorted(METRICS))
def test_a_metric_of_nothing_or_of_nan_is_nan(metric) -> None:
    """No rows, or an output that is no number: never a value that could pass."""
    outcome = np.array([0.0, 1.0])
    assert np.isnan(measure(metric, outcome[:0], np.zeros((0, 2))))
    assert np.isnan(measure(metric, outcome, np.array([[0.5, 0.5], [np.nan, 0.5]])))


def test_roc_auc_is_that_of_scikit_learn() -> None:
    """Ties included, our definition is the usual one."""
    from sklearn.metrics import log_loss, roc_auc_score

    chance = np.random.default_rng(0)
    outcome = chance.integers(0, 2, 500).astype(float)
    scores = chance.integers(0, 20, 500) / 20
    outputs = np.column_stack([1 - scores, scores]).clip(0.01, 0.99)
    assert pytest.approx(roc_auc_score(outcome, scores)) == roc_auc(outcome, outputs)
    assert pytest.approx(log_loss(outcome, outputs)) == measure("log_loss", outcome, outputs)


def test_one_class_has_no_roc_auc() -> None:
    """With one class only the metric is not defined, so it fails."""
    assert np.isnan(measure("roc_auc", np.ones(5), np.full((5, 2), 0.5)))


def test_a_model_loses_nothing_against_itself() -> None:
    """The paired interval of a model against itself is a point at nought."""
    outcome = np.random.default_rng(0).integers(0, 2, 300).astype(float)
    outputs = np.random.default_rng(1).dirichlet([1, 1], 300)
    assert (0.0, 0.0) == lost_interval("log_loss", False, outcome, outputs, outputs, seed=0)


def test_the_script_refuses_a_version_that_does_not_exist(chain) -> None:
    """The sentence says which versions there are."""
    ran = chain.run("validation.performance", "--model-version", "99")
    assert (2, "") == (ran.code, ran.out)
    assert "model version 99 does not exist in the registry: it has version 1" in ran.err


@pytest.mark.parametrize("given", ["0", "-1", "one", "", "1.0", "\u0661"])
def test_the_script_refuses_what_is_no_version(chain, given) -> None:
    """Only whole numbers from 1 name a version."""
    ran = chain.run("validation.performance", f"--model-version={given}")
    assert (2, "") == (ran.code, ran.out)
    assert "is no model version" in ran.err
