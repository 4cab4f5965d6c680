"""Fairness: a candidate that favours one group fails the gate, however accurate it is."""

import warnings
from dataclasses import replace
from datetime import date, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from serve.model import Model
from validation.fairness import judge
from validation.gate import Measure
from validation.measures.disparity import disparity, disparity_interval
from validation.measures.groups import evidence, judge_groups, waived
from validation.script import Refusal
from validation.words.bounds import FAIRNESS_METRICS, Bound, Gate
from validation.words.columns import Category, Quantity
from validation.words.settings import Groups, Waiver


def verdicts(measures) -> dict[str, str]:
    return {
        f"{line.measure} {line.group}": line.verdict
        for line in measures
        if line.verdict not in ("shown", "insufficient")
    }


def test_the_default_model_passes(candidate, made, config) -> None:
    """The reweighed model keeps every bound, and small groups are shown, not judged."""
    measures = judge(candidate(made("default")), config).measures
    assert set(verdicts(measures).values()) == {"pass"}
    assert len(config.fairness) == len(verdicts(measures))
    small = {line.group for line in measures if line.verdict == "insufficient" and "&" not in line.group}
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
    [empty] = [line for line in measures if line.group == "sex: Nobody" and line.measure == "rows of the group"]
    assert ("fail", 0) == (empty.verdict, empty.n)


def test_fewer_than_two_large_groups_fail(rows, config) -> None:
    """Where nobody is large enough to be compared, nothing is proven."""
    strict = replace(config, groups=Groups(min_positives=10**6, min_negatives=1))
    measures = groups_of(rows, strict, lambda outcome: outcome)
    assert set(verdicts(measures).values()) == {"fail"}
    assert len(config.fairness) == len(verdicts(measures))


def test_outputs_that_are_no_numbers_fail(rows, config) -> None:
    """NaN is not fair."""
    found = verdicts(groups_of(rows, config, lambda outcome: np.full(len(outcome), np.nan)))
    assert set(found.values()) == {"fail"}


def test_a_group_that_must_be_judged_and_is_too_small_fails(rows, config) -> None:
    """Insufficient is told; where config.py wants the group judged it is a failure."""
    for names, verdict in (((), "insufficient"), (("Other",), "fail")):
        groups = Groups(min_positives=100, min_negatives=100, must_judge={"race": names})
        measures = groups_of(rows, replace(config, groups=groups), lambda outcome: outcome)
        [line] = [line for line in measures if (line.measure, line.group) == ("rows of the group", "race: Other")]
        assert verdict == line.verdict
        assert "100 with the outcome and 100 without" in line.why


@pytest.mark.parametrize(("negatives", "verdict"), [(2, "insufficient"), (1, "shown")])
def test_a_group_needs_rows_of_both_outcomes(config, negatives, verdict) -> None:
    """Rates of either kind need rows to be measured on."""
    rows = pd.DataFrame({"sex": ["Male"] * 3 + ["Female"] * 3, "race": ["White", "Black"] * 3})
    outcome = np.array([1.0, 1, 0, 1, 0, 0])
    few = replace(
        config,
        sensitive=("sex",),
        fairness=config.fairness[:1],
        groups=Groups(min_positives=1, min_negatives=negatives),
    )
    measures = judge_groups(rows, outcome, outcome, few)
    assert {"sex: Male": verdict, "sex: Female": "shown"} == {
        line.group: line.verdict for line in measures if line.measure == "rows of the group"
    }


def test_an_intersection_is_judged_by_its_own_gate(rows, config) -> None:
    """Fair by sex and by race alone, unfair to where both meet: only the intersection shows it."""
    both = Gate("demographic_parity_difference", by=("sex", "race"), at_most=0.2, why="w")
    each = [replace(both, by=column) for column in ("sex", "race")]
    settings = replace(config, fairness=(*each, both), groups=Groups(min_positives=50, min_negatives=50))
    odd = (rows["sex"] == "Male").to_numpy() ^ (rows["race"] == "White").to_numpy()
    chance = np.random.default_rng(0)
    measures = groups_of(rows, settings, lambda outcome: (chance.random(len(outcome)) < 0.2 + 0.6 * odd).astype(float))
    by_name = {line.measure: line for line in measures if line.bound}
    assert "fail" == by_name["demographic_parity_difference by sex and race"].verdict
    assert "Female & Black" in by_name["demographic_parity_difference by sex and race"].group
    small = {line.group for line in measures if line.verdict == "insufficient"}
    assert "sex and race: Female & Other" in small


def test_an_intersection_without_a_row_is_told(rows, config) -> None:
    """Nobody can say how those are treated; intersections that are all there need no such line."""
    none = groups_of(rows, config, lambda outcome: outcome)
    assert [] == [line for line in none if line.measure == "intersections without a row"]
    gone = rows[~((rows["sex"] == "Female") & rows["race"].isin(["Other", "Black"]))]
    [line] = [
        line
        for line in groups_of(gone, config, lambda outcome: outcome)
        if line.measure == "intersections without a row"
    ]
    assert ("sex and race: Female & Black, Female & Other", 2.0, "insufficient") == (
        line.group,
        line.value,
        line.verdict,
    )


def test_many_empty_intersections_are_named_in_short(rows, config) -> None:
    """Ten by name, the others by their number."""
    declared = tuple(f"value {place:02}" for place in range(12))
    [race] = [column for column in config.features if column.name == "race"]
    features = tuple(
        replace(race, values=(*race.values, *declared)) if column is race else column for column in config.features
    )
    measures = groups_of(rows, replace(config, features=features), lambda outcome: outcome)
    [line] = [line for line in measures if line.measure == "intersections without a row"]
    assert (24.0, len(rows)) == (line.value, line.n)
    assert line.group.endswith("Female & value 09 and 14 more")


def test_ten_empty_intersections_are_all_named(rows, config) -> None:
    """None is left to be counted."""
    [race] = [column for column in config.features if column.name == "race"]
    values = (*race.values, *(f"value {place}" for place in range(5)))
    features = tuple(replace(race, values=values) if column is race else column for column in config.features)
    measures = groups_of(rows, replace(config, features=features), lambda outcome: outcome)
    [line] = [line for line in measures if line.measure == "intersections without a row"]
    assert (10.0, True) == (line.value, line.group.endswith("Male & value 4"))


DAY = date(2026, 11, 24)


def waiver(**changed) -> Waiver:
    fields = {"owner": "ada", "reason": "r", "expires": DAY}
    return Waiver("equalized_odds_difference", "race", **(fields | changed))


@pytest.fixture
def on(monkeypatch):
    """Set the date."""
    return lambda day: monkeypatch.setattr("validation.words.settings.today", lambda: day)


def unfair(rows, config, **changed) -> dict[str, Measure]:
    """Judge a model that finds no positive among the black, under a waiver."""
    white = (rows["race"] != "Black").to_numpy()
    settings = replace(config, waivers=(waiver(**changed),))
    lines = waived(groups_of(rows, settings, lambda outcome: outcome * white), settings)
    return {line.measure: line for line in lines if line.bound}


def test_a_waiver_stands_for_its_gate_until_it_is_over(rows, config, on) -> None:
    """On its last day it holds; who answers for it is told; the day after, gate and waiver fail."""
    on(DAY)
    lines = unfair(rows, config)
    line = lines["equalized_odds_difference by race"]
    assert "waived" == line.verdict
    assert line.why.startswith("waived until 2026-11-24 by ada: r; ")
    assert "pass" == lines["waivers that are over"].verdict
    on(DAY + timedelta(days=1))
    lines = unfair(rows, config, expires=DAY)
    assert ("fail", "fail") == (
        lines["equalized_odds_difference by race"].verdict,
        lines["waivers that are over"].verdict,
    )
    assert "ada: over since 2026-11-24" in lines["waivers that are over"].why


def test_a_waiver_that_is_over_fails_although_the_gate_passes(rows, config, on) -> None:
    """What is no longer needed, or forgotten, has to go."""
    on(DAY)
    old = replace(config, waivers=(waiver(expires=DAY - timedelta(days=1)),))
    lines = waived(groups_of(rows, old, lambda outcome: outcome), old)
    assert ["waivers that are over"] == [line.measure for line in lines if line.verdict == "fail"][-1:]


def test_a_waiver_stands_for_no_other_gate(rows, config, on) -> None:
    """The gate by sex has no waiver."""
    on(DAY)
    settings = replace(config, waivers=(waiver(),))
    men = (rows["sex"] == "Male").to_numpy()
    lines = waived(groups_of(rows, settings, lambda outcome: outcome * men), settings)
    assert "fail" == {line.measure: line.verdict for line in lines}["equalized_odds_difference by sex"]


def test_what_could_not_be_measured_cannot_be_waived(rows, config, on) -> None:
    """A waiver is about a number that somebody has seen."""
    on(DAY)
    settings = replace(config, waivers=(waiver(),))
    lines = waived(groups_of(rows, settings, lambda outcome: np.full(len(outcome), np.nan)), settings)
    assert "fail" == {line.measure: line.verdict for line in lines}["equalized_odds_difference by race"]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"owner": ""}, "name an owner"),
        ({"reason": " "}, "give the reason"),
        ({"expires": "2027-01-31"}, "must be a date"),
        ({"expires": DAY + timedelta(days=367)}, "more than 366 days"),
    ],
)
def test_a_waiver_that_is_incomplete_or_endless_is_refused(on, changed, sentence) -> None:
    """Owner, reason, and an end within a year."""
    on(DAY)
    with pytest.raises(Refusal, match=sentence):
        waiver(**changed)


def test_a_waiver_for_no_gate_is_refused(config, on) -> None:
    """A waiver that stands for nothing is a mistake."""
    on(DAY)
    with pytest.raises(Refusal, match="no gate of FAIRNESS bounds 'accuracy_difference' by 'sex'"):
        replace(config, waivers=(Waiver("accuracy_difference", "sex", "ada", "r", DAY),))


KINDS = {
    "binary": {
        "demographic_parity_difference",
        "demographic_parity_ratio",
        "equalized_odds_difference",
        "equal_opportunity_difference",
        "accuracy_difference",
    },
    "classes": {"demographic_parity_difference", "accuracy_difference"},
    "quantity": {"mean_absolute_error_difference", "mean_error_difference", "mean_prediction_difference"},
}


@pytest.mark.parametrize(
    ("kind", "metric"), [(kind, metric) for kind, names in KINDS.items() for metric in sorted(names)]
)
def test_every_metric_has_an_interval_around_it(kind, metric) -> None:
    """For each kind of target: value within the interval, the interval no point, and the same for the same seed."""
    assert metric in FAIRNESS_METRICS[kind]
    chance = np.random.default_rng(0)
    groups = chance.choice(["a", "b", "c"], 3000)
    outcome = chance.integers(0, 2 if kind == "binary" else 3, 3000).astype(float)
    choice = np.where(chance.random(3000) < np.where(groups == "a", 0.9, 0.6), outcome, (outcome + 1) % 2)
    if kind == "quantity":
        choice = outcome + chance.normal(0, 1, 3000) + (groups == "a")
    value = disparity(metric, kind, outcome, choice, groups)
    low, high = disparity_interval(metric, kind, outcome, choice, groups, seed=1)
    assert 0 < low < value < high
    assert (low, high) == disparity_interval(metric, kind, outcome, choice, groups, seed=1)


def test_every_metric_that_config_may_name_is_tested() -> None:
    """No word without a measure."""
    assert {kind: set(names) for kind, names in FAIRNESS_METRICS.items()} == KINDS


def test_the_difference_of_errors_is_that_of_the_means() -> None:
    """By hand: one group is told two too much, the other nothing."""
    outcome, groups = np.array([1.0, 2.0, 3.0, 4.0]), np.array(["a", "a", "b", "b"])
    choice = outcome + np.array([2.0, 2.0, 0.0, 0.0])
    assert 2.0 == disparity("mean_error_difference", "quantity", outcome, choice, groups)
    assert 2.0 == disparity("mean_absolute_error_difference", "quantity", outcome, choice, groups)
    assert 0.0 == disparity("mean_prediction_difference", "quantity", outcome, choice - choice, groups)


def test_the_report_gets_groups_and_waivers(rows, config, on) -> None:
    """Each rate of each group with its interval, and whether the group is judged."""
    on(DAY)
    settings = replace(config, waivers=(waiver(),))
    told = evidence(groups_of(rows, settings, lambda outcome: outcome), settings)
    women = [one for one in told["groups"] if (one["by"], one["group"]) == ("sex", "Female")]
    assert {"selection rate", "true positive rate", "false positive rate", "accuracy"} == {one["rate"] for one in women}
    assert all(one["judged"] and one["low"] <= one["value"] <= one["high"] for one in women)
    assert not any(one["judged"] for one in told["groups"] if one["group"] == "Other")
    assert [("ada", "2026-11-24", True)] == [(one["owner"], one["expires"], one["in_force"]) for one in told["waivers"]]


def test_a_label_that_only_predictions_hold_counts(config) -> None:
    """Over classes, the difference is the largest over every label that is given or chosen."""
    outcome = np.array([0.0, 1.0] * 50)
    groups = np.repeat(["a", "b"], 50)
    choice = outcome.copy()
    choice[:15] = 2
    assert pytest.approx(0.3) == disparity("demographic_parity_difference", "classes", outcome, choice, groups)


def without_columns(config):
    """A contract that names no sensitive column."""
    plain = replace(config.model, reweigh_by=None, reweigh_strength=0.0)
    return replace(config, sensitive=(), fairness=(), groups=Groups(100, 100), model=plain)


def test_without_sensitive_columns_nothing_is_left_unmeasured(candidate, made, config) -> None:
    """It passes, and says that nothing is known of groups."""
    judgement = judge(candidate(made("default")), without_columns(config))
    why = "SENSITIVE is empty in config.py: nothing is known of groups"
    line = Measure("gates that were not measured", "", 0.0, Bound(at_most=0), 16208, "pass", why)
    assert [line] == list(judgement.measures)


def test_quantities_are_judged_as_they_are(config, monkeypatch) -> None:
    """Where the target is a number, the gate compares numbers, not places of labels."""
    seen = []
    own = SimpleNamespace(rows=[0, 1], outcome=np.array([5.0, 8.0]), outputs=np.array([[5.0], [7.0]]))
    own.model = SimpleNamespace(choices=lambda outputs: outputs.argmax(axis=1))
    monkeypatch.setattr("validation.judged.judge_candidate", lambda *_: own)
    monkeypatch.setattr("validation.measures.groups.judge_groups", lambda *given: seen.append(given[2]) or [])
    numbers = object.__new__(type(config))
    numbers.__dict__.update(vars(config) | {"target": Quantity("rent", low=0, high=10)})
    judge(SimpleNamespace(folder=None), numbers)
    assert [5.0, 7.0] == seen[0].tolist()


def test_every_row_is_drawn() -> None:
    """One row that is unlike all others moves the interval, be it the first."""
    choice = np.zeros(40)
    choice[0] = 1000.0
    groups = np.repeat(["a", "b"], 20)
    drawn = disparity_interval("mean_prediction_difference", "quantity", choice * 0, choice, groups, seed=1)
    assert drawn[1] >= 100


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_labels_come_from_the_outputs_and_nan_is_no_label(candidate, made, config, monkeypatch, value) -> None:
    """The gate judges the labels that the service would give; one output that is no number and nothing is known."""
    seen = []

    def groups(rows, outcome, choice, config):
        seen.append(choice)
        return []

    monkeypatch.setattr("validation.measures.groups.judge_groups", groups)
    real = Model.outputs
    judgement = judge(candidate(made("default")), config)
    assert ({0.0, 1.0}, np.float64) == (set(np.unique(seen[0])), seen[0].dtype)
    assert {"groups", "waivers"} == set(judgement.evidence)

    def spoilt(model, columns):
        outputs = real(model, columns)
        outputs[5] = value
        return outputs

    monkeypatch.setattr(Model, "outputs", spoilt)
    judge(candidate(made("default")), config)
    assert np.isnan(seen[1]).all()


@pytest.mark.parametrize("kind", ["binary", "classes", "quantity"])
def test_intervals_lie_where_the_groups_are(kind) -> None:
    """Far apart, or near each other: the interval says which, for each metric."""
    chance = np.random.default_rng(0)
    groups = np.repeat(["a", "b"], 4000)
    outcome = chance.integers(0, 2 if kind == "binary" else 3, 8000).astype(float)
    right = chance.random(8000) < np.where(groups == "a", 0.95, 0.55)
    choice = np.where(right, outcome, (outcome + 1) % (2 if kind == "binary" else 3))
    if kind == "quantity":
        choice = outcome + np.where(groups == "a", 2.0, 0.5) + chance.normal(0, 0.1, 8000)
    expected = {
        "binary": {"accuracy_difference": 0.4, "equal_opportunity_difference": 0.4, "equalized_odds_difference": 0.4},
        "classes": {"accuracy_difference": 0.4},
        "quantity": {
            "mean_error_difference": 1.5,
            "mean_absolute_error_difference": 1.5,
            "mean_prediction_difference": 1.5,
        },
    }[kind]
    for metric, apart in expected.items():
        low, high = disparity_interval(metric, kind, outcome, choice, groups, seed=1)
        assert apart - 0.1 < low < apart < high < apart + 0.1 or abs(low - apart) + abs(high - apart) < 0.12


@pytest.mark.parametrize("metric", ["equal_opportunity_difference", "demographic_parity_ratio"])
def test_where_a_draw_is_undefined_the_interval_is_unknown(metric) -> None:
    """Without positives there is no true positive rate, without a choice no ratio; and no warning is printed."""
    outcome, groups = np.array([0.0, 0, 0, 1, 1, 0]), np.array(["a", "a", "a", "b", "b", "b"])
    choice = outcome * (metric != "demographic_parity_ratio")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ends = disparity_interval(metric, "binary", outcome, choice, groups, seed=1)
    assert np.isnan(ends).all()
