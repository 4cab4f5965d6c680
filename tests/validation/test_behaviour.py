"""Behaviour: what people expect, whatever the figures."""

import json
from dataclasses import replace

import numpy as np
import pytest

from serve.model import Model
from validation.behaviour import judge
from validation.script import ROOT
from validation.words.behaviours import (
    Cases,
    Direction,
    Invariance,
    Missing,
    Noise,
    StableExplanation,
    WorstSlice,
)
from validation.words.columns import Category


def red(measures) -> list[str]:
    return [line.measure for line in measures if line.verdict == "fail"]


def test_the_default_model_behaves(candidate, made, config) -> None:
    """Everything that BEHAVIOUR asks holds."""
    measures = judge(candidate(made("default")), config).measures
    assert [] == red(measures)
    assert 6 + len(config.behaviour) == len(measures)
    assert {"pass"} == {line.verdict for line in measures}


def test_a_model_that_sees_sex_fails_the_invariance(candidate, made, config) -> None:
    """A model with the sensitive column among its inputs answers otherwise for the other sex."""
    features = tuple(replace(column, hidden=column.hidden and column.name != "sex") for column in config.features)
    seen = replace(config, features=features)
    folder = made("sees sex", features=features)
    assert ["rows that sex moves"] == red(judge(candidate(folder), seen).measures)


def test_the_wrong_direction_fails(candidate, made, config) -> None:
    """Asked for the opposite of what the data say, the gate is red."""
    wrong = replace(config, behaviour=(Direction("education_num", gives="less", step=1, tolerate=0.05, why="w"),))
    assert ["rows where more education_num gives more"] == red(judge(candidate(made("default")), wrong).measures)


def test_a_direction_that_no_row_can_take_fails(candidate, made, config) -> None:
    """A step larger than the column proves nothing."""
    wide = replace(config, behaviour=(Direction("education_num", gives="more", step=100, tolerate=0.05, why="w"),))
    measures = judge(candidate(made("default")), wide).measures
    assert ["rows where more education_num gives less"] == red(measures)
    assert "no row has room" in next(line.why for line in measures if line.verdict == "fail")


def test_an_influential_column_is_not_invariant(candidate, made, config) -> None:
    """The invariance check sees a column that matters."""
    asked = replace(config, behaviour=(Invariance("marital_status", why="w", tolerate=0.01),))
    assert ["rows that marital_status moves"] == red(judge(candidate(made("default")), asked).measures)


def test_a_column_that_may_not_go_missing_is_noticed(candidate, made, config) -> None:
    """Taking the occupation away moves many rows."""
    asked = replace(config, behaviour=(Missing("occupation", tolerate=0.01, slack=0.05, why="w"),))
    assert ["rows that a missing occupation moves"] == red(judge(candidate(made("default")), asked).measures)


def test_noise_that_moves_answers_is_noticed(candidate, made, config) -> None:
    """Twenty years more or less make another person; one year does not."""
    for years, expected in ((20, ["rows that noise on age moves"]), (1, [])):
        asked = replace(config, behaviour=(Noise({"age": years}, tolerate=0.05, slack=0.1, why="w"),))
        assert expected == red(judge(candidate(made("default")), asked).measures)


def test_noise_stays_within_the_contract(candidate, made, config, monkeypatch) -> None:
    """Whole numbers stay whole, and no number leaves its bounds."""
    seen = []

    def outputs(model, columns, real=Model.outputs):
        seen.append(columns["age"])
        return real(model, columns)

    monkeypatch.setattr(Model, "outputs", outputs)
    asked = replace(config, behaviour=(Noise({"age": 5}, tolerate=0.5, slack=0.1, why="w"),))
    judge(candidate(made("default")), asked)
    ages = np.concatenate([np.asarray(column) for column in seen])
    assert ages.min() == 17
    assert ages.max() <= 100
    assert (ages == np.round(ages)).all()


def test_a_slice_that_the_model_does_not_understand_is_found(candidate, made, config) -> None:
    """Fitted on turned labels of one occupation: the search names it, and the bound stops it."""

    def turned(train, outcome):
        sales = (train["occupation"] == "Sales").to_numpy()
        return train, np.where(sales, 1 - outcome, outcome)

    asked = replace(config, behaviour=(WorstSlice(loss_at_most=0.75, min_rows=200, why="w"),))
    judgement = judge(candidate(made("turned sales", turned)), asked)
    [line] = [line for line in judgement.measures if line.measure == "loss on the worst slice"]
    assert ("fail", True) == (line.verdict, "occupation = Sales" in line.group)
    assert line.interval[0] <= line.value <= line.interval[1]
    assert line.group == judgement.evidence["slices"][0]["slice"]


def test_a_slice_that_nothing_is_large_enough_for_fails(candidate, made, config) -> None:
    """A search that could look at nothing proves nothing."""
    asked = replace(config, behaviour=(WorstSlice(loss_at_most=0.75, min_rows=10**6, why="w"),))
    assert ["loss on the worst slice"] == red(judge(candidate(made("default")), asked).measures)


def test_the_worst_slice_is_told_without_a_bound(candidate, made, config) -> None:
    """Where config.py bounds none, it is shown."""
    measures = judge(candidate(made("default")), replace(config, behaviour=())).measures
    assert ["shown"] == [line.verdict for line in measures if line.measure == "loss on the worst slice"]


def test_an_explanation_that_depends_on_the_rows_fails(candidate, made, config, monkeypatch) -> None:
    """Importances that rank otherwise on the other half are no explanation."""
    asked = replace(config, behaviour=(StableExplanation(at_least=0.8, why="w"),))
    assert [] == red(judge(candidate(made("default")), asked).measures)
    from validation.measures import importance

    real, calls = importance.importances, []

    def turned(judged, rows, config):
        calls.append(rows)
        found = real(judged, rows, config)
        return [replace(one, rise=-one.rise) for one in found] if len(calls) == 2 else found

    monkeypatch.setattr(importance, "importances", turned)
    assert ["agreement of the importances on two halves"] == red(judge(candidate(made("default")), asked).measures)
    assert not set(calls[0]) & set(calls[1])


def test_a_case_that_gets_the_wrong_answer_is_named(candidate, made, config, tmp_path, monkeypatch) -> None:
    """What people wrote down holds, or the case is named."""
    monkeypatch.setattr("validation.cases.ROOT", tmp_path)
    (tmp_path / "data").mkdir()
    text = (ROOT / "data/cases.csv").read_text().replace("50,United-States,>50K", "50,United-States,<=50K")
    (tmp_path / "data/cases.csv").write_text(text)
    asked = replace(config, behaviour=(Cases("data/cases.csv", why="w"),))
    judgement = judge(candidate(made("default")), asked)
    [line] = [line for line in judgement.measures if line.verdict == "fail"]
    assert (1, "wrong: a married executive with a master's degree") == (line.value, line.why)
    assert [False] == [one["held"] for one in judgement.evidence["cases"] if "executive" in one["case"]]


def test_outputs_that_are_no_numbers_fail_every_rule(candidate, made, config, monkeypatch) -> None:
    """NaN is no behaviour: each line but the orders of equal rows is red, and nothing is drawn."""
    real = Model.outputs
    monkeypatch.setattr(Model, "outputs", lambda model, columns: real(model, columns) * np.nan)
    judgement = judge(candidate(made("default")), config)
    assert {line.verdict for line in judgement.measures} == {"fail"}
    assert "importances" not in judgement.evidence
    json.dumps(judgement.evidence, allow_nan=False)


def test_the_spelling_of_a_folded_category_changes_nothing(candidate, made, config) -> None:
    """Where the contract folds, the gate checks it on the model that serves."""
    folded = tuple(
        replace(column, fold=True) if isinstance(column, Category) and column.name == "occupation" else column
        for column in config.features
    )
    asked = replace(config, features=folded, behaviour=())
    name = "outputs that follow the spelling of occupation"
    assert [] == red(judge(candidate(made("folded", features=folded)), asked).measures)
    assert [name] == red(judge(candidate(made("default")), asked).measures)


def test_contributions_add_up_to_the_output(candidate, made, config) -> None:
    """Base and contributions give the output, for rows from the lowest output to the highest."""
    told = judge(candidate(made("default")), replace(config, behaviour=())).evidence
    rows = told["contributions"]
    assert 5 == len(rows)
    for row in rows:
        total = row["base"] + sum(one["contribution"] for one in row["features"])
        assert row["output"] == pytest.approx(total, abs=1e-5)
        assert {column.name for column in config.inputs} == {one["feature"] for one in row["features"]}
    assert rows[0]["output"] < rows[2]["output"] < rows[4]["output"]


def test_importances_find_what_matters(candidate, made, config) -> None:
    """Marital status, gain and schooling before the country; each with its interval."""
    told = judge(candidate(made("default")), replace(config, behaviour=())).evidence["importances"]
    order = [one["feature"] for one in told]
    assert {"capital_gain", "education_num"} < set(order[:5])
    assert order.index("native_country") > 5
    assert all(one["low"] <= one["rise"] <= one["high"] for one in told)


def test_private_rows_are_not_explained(candidate, made, config) -> None:
    """Where values may not be shown, rows made up from the contract are."""
    private = replace(config, behaviour=(), show_values=False)
    told = judge(candidate(made("default")), private).evidence
    assert all(row["row"].startswith("made-up row") for row in told["contributions"])
