"""The worst slice is found, and measured on rows that did not choose it."""

from dataclasses import replace

import numpy as np
import pytest

from train.data import outcomes
from validation.judged import Judged
from validation.measures.slices import slices_of, worst_slices


def judged(rows, config, wrong) -> Judged:
    """A model that knows everything but the rows that are `wrong`."""
    outcome = outcomes(rows, config)
    chance = np.where(wrong, 0.3, 0.9)
    outputs = np.where(outcome[:, None] == np.array([0.0, 1.0]), chance[:, None], 1 - chance[:, None])
    return Judged(None, rows, rows, outcome, outputs)


def test_the_worst_pair_is_found(rows, config) -> None:
    """Two columns together describe where the model is wrong."""
    wrong = ((rows["occupation"] == "Sales") & (rows["sex"] == "Female")).to_numpy()
    [first] = worst_slices(judged(rows, config, wrong), config, 200, worst=1)
    assert ("occupation = Sales and sex = Female", int(wrong.sum())) == (first.name, first.rows)
    assert pytest.approx(-np.log(0.3)) == first.loss
    assert first.interval[0] <= first.loss <= first.interval[1]


def test_what_is_missing_is_a_slice(rows, config) -> None:
    """Rows without a value are a part of their own."""
    wrong = rows["workclass"].isna().to_numpy()
    names = [one.name for one in worst_slices(judged(rows, config, wrong), config, 200)]
    assert any("workclass missing" in name for name in names)


def test_chance_is_not_reported_as_a_weakness(rows, config) -> None:
    """The half that measures did not choose: where errors fall at random, the worst slice is near the average."""
    wrong = np.random.default_rng(3).random(len(rows)) < 0.2
    model = judged(rows, config, wrong)
    overall = -(0.2 * np.log(0.3) + 0.8 * np.log(0.9))
    losses = [one.loss for one in worst_slices(model, config, 200)]
    assert overall == pytest.approx(np.mean(losses), abs=0.05)


def test_small_parts_are_left_out(rows, config) -> None:
    """A part has the rows that were asked for."""
    model = judged(rows, config, np.zeros(len(rows), dtype=bool))
    assert all(one.rows >= 3000 for one in worst_slices(model, config, 3000))
    assert [] == worst_slices(model, config, 10**6)


def test_quarters_cover_every_row_once(rows, config) -> None:
    """The parts of a numeric column share no row and leave none out; private edges are not told."""
    private = replace(config, show_values=False)
    for settings in (config, private):
        parts = [part for name, part in slices_of(rows, settings) if name.startswith("age ")]
        assert (np.sum(parts, axis=0) == 1).all()
    names = [name for name, _ in slices_of(rows, private)]
    assert "age in part 1 of 4" in names
    assert not any(name.startswith("age 1") for name in names)


def test_a_number_that_most_rows_share_is_cut_from_the_others(rows, config) -> None:
    """Nine in ten have no capital gain: those who have one are a part of their own."""
    parts = dict(slices_of(rows, config))
    assert ((rows["capital_gain"] == 0).to_numpy() == parts["capital_gain = 0"]).all()
    [gain] = [part for name, part in parts.items() if name.startswith("capital_gain ") and "= 0" not in name]
    assert ((rows["capital_gain"] > 0).to_numpy() == gain).all()


def test_the_slices_are_not_one_slice_five_times(rows, config) -> None:
    """Husbands are married men: parts that share most of their rows count as one."""
    wrong = (rows["relationship"] == "Husband").to_numpy()
    found = worst_slices(judged(rows, config, wrong), config, 200)
    parts = dict(slices_of(rows, config))
    held = [np.all([parts[name] for name in one.name.split(" and ")], axis=0) for one in found]
    for place, one in enumerate(held):
        for other in held[:place]:
            assert (one & other).sum() <= 0.5 * (one | other).sum()


def test_the_luck_of_few_rows_does_not_choose(rows, config) -> None:
    """Errors everywhere by chance, and in a large part by more than that: the large part is named, not a lucky one."""
    chance = np.random.default_rng(3).random(len(rows))
    wrong = chance < np.where(rows["marital_status"] == "Divorced", 0.3, 0.2)
    [first] = worst_slices(judged(rows, config, wrong), config, 60, worst=1)
    assert "marital_status = Divorced" in first.name


def test_a_key_makes_no_slice(rows, config) -> None:
    """What names a row describes no part of the rows."""
    assert not any(name.startswith("age ") for name, _ in slices_of(rows, replace(config, key=("age",))))
