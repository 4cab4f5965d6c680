"""What a model understands and what drives it, for each kind of target, by models whose formula is known."""

import itertools
import json
import math

import numpy as np
import pytest

from validation.measures.checks import always, moving
from validation.measures.importance import contributions, importances, sample_of
from validation.measures.understanding import understanding
from validation.script import to_json
from validation.words.behaviours import Missing, Noise, StableExplanation, WorstSlice

KINDS = ("binary", "classes", "quantity")
RULES = (
    Missing("number of rooms", tolerate=0.1, slack=0.05, why="w"),
    Noise({"size": 0.2, "unused": 1.0}, tolerate=0.05, slack=0.05, why="w"),
    WorstSlice(loss_at_most=1.3, min_rows=100, why="w"),
    StableExplanation(at_least=0.8, why="w"),
)
BAD = "town = b and group = x"


def rules(kind: str) -> tuple:
    """Ask the same of a quantity, in its unit."""
    if kind != "quantity":
        return RULES
    return (
        Missing("number of rooms", tolerate=0.1, slack=50, why="w"),
        Noise({"size": 0.2, "unused": 1.0}, tolerate=0.05, slack=50, why="w"),
        *RULES[2:],
    )


def lines_of(own, config) -> dict:
    return {line.measure: line for line in (*moving(own, config), *understanding(own, config)[0])}


@pytest.mark.parametrize("show", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_follows_the_truth_keeps_every_rule(toy, kind, show) -> None:
    """Every rule passes, what always holds does, and the report has something to draw."""
    own, config = toy(kind, behaviour=rules(kind), show_values=show)
    lines = lines_of(own, config)
    assert [rule.measure for rule in config.behaviour if rule.measure not in lines] == []
    assert {"pass"} == {line.verdict for line in (*lines.values(), *always(own, config))}
    told = understanding(own, config)[1]
    assert ["size", "town"] == [one["feature"] for one in told["importances"][:2]]
    assert all(0 == one["rise"] for one in told["importances"][2:])
    assert len(told["contributions"]) == 5
    for row in told["contributions"]:
        total = row["base"] + sum(one["contribution"] for one in row["features"])
        assert pytest.approx(row["output"], abs=1e-2 if kind == "quantity" else 1e-5) == total
    assert show != (" in part " in str(told["slices"]))
    json.loads(to_json(told))


def jumpy(columns) -> np.ndarray:
    """A model that follows the last digits of the size."""
    return np.asarray(columns["size"], "float64") * 10 % 1


def needs_rooms(columns) -> np.ndarray:
    """A model that is sure of the worst where the rooms are missing."""
    return np.where(np.isnan(np.asarray(columns["number of rooms"], "float64")), 0.0, 0.9)


def constant(columns) -> np.ndarray:
    """A model that gives everybody the same."""
    return np.full(len(columns["size"]), 0.5)


def no_number(columns) -> np.ndarray:
    """A model that answers nothing."""
    return np.full(len(columns["size"]), np.nan)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("formula", "red"),
    [
        (needs_rooms, "rows that a missing number of rooms moves"),
        (jumpy, "rows that noise on size, unused moves"),
        (constant, "agreement of the importances on two halves"),
    ],
)
def test_a_rule_refuses_the_model_it_is_made_for(toy, kind, formula, red) -> None:
    """Each rule has a formula that breaks it."""
    own, config = toy(kind, formula=formula, behaviour=rules(kind))
    assert "fail" == lines_of(own, config)[red].verdict


def turned(kind: str):
    """Turn the outcomes of one intersection round, one column of which the model cannot see."""

    def spoil(frame):
        here = (frame["town"] == "b") & (frame["group"] == "x")
        if kind == "quantity":
            return frame.assign(dear=np.where(here, (frame["dear"] + 500) % 1000, frame["dear"]))
        other = {"yes": "no", "no": "yes", "low": "high", "middle": "low", "high": "low"}
        return frame.assign(dear=np.where(here, frame["dear"].map(other), frame["dear"]))

    return spoil


@pytest.mark.parametrize("kind", KINDS)
def test_a_slice_in_which_the_model_is_wrong_is_named_and_red(toy, kind) -> None:
    """Outcomes turned in one pair of values: that slice is the worst and breaks the bound."""
    own, config = toy(kind, behaviour=rules(kind), spoil=turned(kind))
    line = lines_of(own, config)["loss on the worst slice"]
    assert ("fail", BAD) == (line.verdict, line.group)
    assert line.interval[1] > line.value > line.interval[0] > 1.3
    worst = understanding(own, config)[1]["slices"]
    assert BAD == worst[0]["slice"]
    assert worst[0]["loss"] > worst[0]["overall"]


@pytest.mark.parametrize("kind", KINDS)
def test_outputs_that_are_no_numbers_break_every_rule(toy, kind) -> None:
    """NaN keeps no rule, and leaves nothing to draw."""
    own, config = toy(kind, formula=no_number, behaviour=rules(kind))
    lines = lines_of(own, config)
    assert {rule.measure for rule in config.behaviour} == set(lines)
    assert {"fail"} == {line.verdict for line in (*lines.values(), *always(own, config))}
    told = understanding(own, config)[1]
    assert [] == told["slices"]
    assert "importances" not in told
    to_json(told)


@pytest.mark.parametrize("bounded", [True, False])
def test_one_output_that_is_no_number_leaves_no_worst_slice(toy, bounded) -> None:
    """Wherever it lies, in the half that chooses or the half that measures."""
    for place in range(6):
        own, config = toy("binary", behaviour=RULES if bounded else ())
        own.outputs[place] = np.nan
        line = lines_of(own, config)["loss on the worst slice"]
        assert (None, "fail" if bounded else "shown") == (line.value, line.verdict)


def test_small_data_have_a_worst_slice_too(toy) -> None:
    """Without a rule a slice of a twentieth of the rows is looked for, of thirty at least."""
    own, config = toy("binary", n=700, spoil=turned("binary"))
    line = lines_of(own, config)["loss on the worst slice"]
    assert ("shown", True) == (line.verdict, line.n < 200)
    own, config = toy("binary", n=50)
    line = lines_of(own, config)["loss on the worst slice"]
    assert ("shown", None) == (line.verdict, line.value)


def test_contributions_are_shapley_values(toy) -> None:
    """They add up to the last bits, and are those of the definition over all subsets, within the sample's noise."""
    own, config = toy("binary")
    row = own.inputs.iloc[[200]]
    names = list(own.inputs.columns)

    def worth(kept: tuple[str, ...]) -> float:
        mixed = own.inputs.assign(**{name: row[name].iloc[0] for name in kept})
        return float(own.model.outputs({name: mixed[name].to_numpy() for name in names})[:, 1].mean())

    exact = np.zeros(len(names))
    for place, name in enumerate(names):
        others = [other for other in names if other != name]
        for size in range(len(names)):
            share = math.factorial(size) * math.factorial(len(names) - size - 1) / math.factorial(len(names))
            sets = itertools.combinations(others, size)
            exact[place] += share * sum(worth((*kept, name)) - worth(kept) for kept in sets)
    base, output, parts = contributions(own, row, config)
    assert math.isclose(base + parts.sum(), output, abs_tol=1e-12)
    assert pytest.approx(own.outputs[200, 1], abs=1e-6) == output
    np.testing.assert_allclose(parts, exact, atol=0.15)
    assert 0 == pytest.approx(parts[names.index("unused")], abs=1e-9)


def test_importances_are_rises_of_the_loss(toy) -> None:
    """By hand: dealing the town anew costs what it costs, within its interval."""
    own, config = toy("quantity", n=3000)
    found = {one.feature: one for one in importances(own, sample_of(3000, config), config)}
    chance = np.random.default_rng(8)
    dealt = own.inputs.assign(town=chance.permutation(own.inputs["town"].to_numpy()))
    outputs = own.model.outputs({name: dealt[name].to_numpy() for name in dealt})[:, 0]
    errors = ((own.outcome - outputs) ** 2 - (own.outcome - own.outputs[:, 0]) ** 2) / own.outcome.var()
    low, high = found["town"].interval
    assert low - 0.02 < errors.mean() < high + 0.02
