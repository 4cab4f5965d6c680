"""Fairness: a candidate that favours one group fails the gate, however accurate it is."""

from dataclasses import replace

import numpy as np
import pytest

from validation.fairness import judge
from validation.measures.groups import judge_groups, measure
from validation.words.bounds import Gate
from validation.words.columns import Category
from validation.words.settings import Groups


def verdicts(measures) -> dict[str, str]:
    return {f"{line.measure} {line.group}": line.verdict for line in measures if line.verdict != "shown"}


def test_the_default_model_passes(candidate, made, config) -> None:
    """The reweighed model keeps every bound, and small groups are shown, not judged."""
    measures = judge(candidate(made("default")), config).measures
    assert set(verdicts(measures).values()) == {"pass"}
    small = {line.group for line in measures if line.why == "too small to be judged"}
    assert {"race: Amer-Indian-Eskimo", "race: Other"} == small


def test_a_plain_model_fails_by_demographic_parity(candidate, made, config) -> None:
    """Without reweighing the same recipe is refused: what the default passes for is the mitigation."""
    plain = made("plain", model=replace(config.model, reweigh_by=None, reweigh_strength=0.0))
    found = verdicts(judge(candidate(plain), config).measures)
    assert "fail" == found["demographic_parity_difference by sex sex: Female, Male"]


def test_an_overcorrected_model_fails_by_equalized_odds(candidate, made, config) -> None:
    """Reweighing at full strength bends the true positive rates, and is refused."""
    full = made("full", model=replace(config.model, reweigh_strength=1.0))
    found = verdicts(judge(candidate(full), config).measures)
    assert "fail" == found["equalized_odds_difference by sex sex: Female, Male"]


def groups_of(rows, config, choice):
    outcome = (rows["income"] == ">50K").to_numpy("float64")
    return judge_groups(rows, outcome, choice(outcome), config)


def test_a_model_that_prefers_one_group_fails(rows, config) -> None:
    """Every positive of one group found, none of the other's: red, by both metrics."""
    men = (rows["sex"] == "Male").to_numpy()
    found = verdicts(groups_of(rows, config, lambda outcome: outcome * men))
    assert "fail" == found["demographic_parity_difference by sex sex: Female, Male"]
    assert "fail" == found["equalized_odds_difference by sex sex: Female, Male"]


def test_an_empty_declared_group_fails(rows, config) -> None:
    """A group without a row in the test part: nobody can say how it is treated."""
    with_more = tuple(
        replace(column, values=(*column.values, "Nobody"))
        if isinstance(column, Category) and column.name == "sex"
        else column
        for column in config.features
    )
    measures = groups_of(rows, replace(config, features=with_more), lambda outcome: outcome)
    [empty] = [line for line in measures if line.group == "sex: Nobody"]
    assert ("fail", 0) == (empty.verdict, empty.n)


def test_fewer_than_two_large_groups_fail(rows, config) -> None:
    """Where nobody is large enough to be compared, nothing is proven."""
    strict = replace(config, groups=Groups(min_positives=10**6, min_negatives=1))
    found = verdicts(groups_of(rows, strict, lambda outcome: outcome))
    assert set(found.values()) == {"fail"}


def test_outputs_that_are_no_numbers_fail(rows, config) -> None:
    """NaN is not fair."""
    found = verdicts(groups_of(rows, config, lambda outcome: np.full(len(outcome), np.nan)))
    assert set(found.values()) == {"fail"}


@pytest.mark.parametrize(
    "metric",
    [
        "demographic_parity_difference",
        "equalized_odds_difference",
        "equal_opportunity_difference",
        "accuracy_difference",
        "demographic_parity_ratio",
    ],
)
def test_the_interval_holds_the_value(rows, config, metric) -> None:
    """Each metric's bootstrap interval lies around what fairlearn measures, within the noise of a maximum."""
    bound = {"at_least": 0.01} if metric.endswith("ratio") else {"at_most": 0.99}
    gate = Gate(metric, by="sex", why="w", **bound)
    only_sex = replace(config, sensitive=("sex",), fairness=(gate,))
    chance = np.random.default_rng(0)
    measures = groups_of(
        rows, only_sex, lambda outcome: np.where(chance.random(len(outcome)) < 0.8, outcome, 1 - outcome)
    )
    low, high = measures[0].interval
    assert low - 0.02 <= measures[0].value <= high


def test_a_label_that_only_predictions_hold_counts(config) -> None:
    """Over classes, the difference is the largest over every label that is given or chosen."""
    outcome = np.array([0.0, 1.0] * 50)
    groups = np.repeat(["a", "b"], 50)
    choice = outcome.copy()
    choice[:15] = 2
    assert pytest.approx(0.3) == measure("demographic_parity_difference", "classes", outcome, choice, groups)
