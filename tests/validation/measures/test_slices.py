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
