"""Behaviour: what people expect, whatever the figures."""

from dataclasses import replace

from validation.behaviour import judge
from validation.words.behaviours import Direction, Invariance


def red(measures) -> list[str]:
    return [line.measure for line in measures if line.verdict == "fail"]


def test_the_default_model_behaves(candidate, made, config) -> None:
    """Everything that BEHAVIOUR asks holds."""
    measures = judge(candidate(made("default")), config).measures
    assert [] == red(measures)
    assert 6 + len(config.behaviour) == len(measures)


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
    assert "no row has room" in measures[-1].why


def test_an_influential_column_is_not_invariant(candidate, made, config) -> None:
    """The invariance check sees a column that matters."""
    asked = replace(config, behaviour=(Invariance("marital_status", why="w", tolerate=0.01),))
    assert ["rows that marital_status moves"] == red(judge(candidate(made("default")), asked).measures)
