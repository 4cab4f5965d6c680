"""Groups of each kind of target: who is in them, who is large enough, and what is told of them."""

import json
from dataclasses import replace

import numpy as np
import pytest

from validation.gate import shown
from validation.measures.groups import evidence, judge_groups, names_of
from validation.script import to_json
from validation.words.bounds import Gate
from validation.words.settings import Groups

KINDS = ("binary", "classes", "quantity")


def judge(own, config):
    choice = own.model.choices(own.outputs).astype("float64") if config.target.labels else own.outputs[:, 0]
    return judge_groups(own.rows, own.outcome, choice, config)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_judged_by_columns_and_intersections(toy, kind) -> None:
    """Each gate is one judged line with an interval; each group's rates are told with theirs."""
    own, config = toy(kind)
    lines = judge(own, config)
    gates = [line for line in lines if line.bound]
    assert {gate.measure for gate in config.fairness} == {line.measure for line in gates}
    assert {"pass"} == {line.verdict for line in gates}
    assert all(line.interval[0] <= line.value <= line.interval[1] for line in gates)
    compared = {line.group.partition(": ")[0]: line.group.partition(": ")[2].split(", ") for line in gates}
    assert ["x", "y"] == compared["group"]
    assert {"l", "r", "(missing)"} == set(compared["side"])
    assert {f"{group} & {side}" for group in "xy" for side in ("l", "r", "(missing)")} == set(
        compared["group and side"]
    )
    told = evidence(lines, config)["groups"]
    assert {"group", "side", "group and side"} == {one["by"] for one in told}
    assert all(one["low"] <= one["value"] <= one["high"] and one["judged"] for one in told)
    json.loads(to_json(told))


def test_a_row_has_the_group_of_its_values(toy) -> None:
    """And one that holds an undeclared value has none: it is named nowhere."""
    own, config = toy("binary", spoil=lambda frame: frame.assign(side=frame["side"].replace("r", "canary-5d1c")))
    names = names_of(own.rows, ("group", "side"), config)
    assert np.dtype(object) == names.dtype
    assert {"", "x & l", "y & l", "x & (missing)", "y & (missing)"} == set(names)
    turned = names_of(own.rows, ("side", "group"), config)
    for named in (names, turned):
        assert ((own.rows["side"] == "canary-5d1c").to_numpy() == (named == "")).all()
    lines = judge(own, config)
    assert "canary" not in str(lines) + to_json(evidence(lines, config))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("must_judge", "verdict"), [({}, "insufficient"), ({"side": ("r",)}, "fail")])
def test_a_small_group_is_insufficient_or_a_failure(toy, kind, must_judge, verdict) -> None:
    """Too few rows: told, with its rates, and red where config.py wants it judged."""
    groups = Groups(min_positives=100, min_negatives=100, must_judge=must_judge)
    own, config = toy(kind, groups=groups, n=600)
    lines = judge(own, config)
    sizes = {line.group: line.verdict for line in lines if line.measure == "rows of the group"}
    assert sizes["side: r"] == verdict
    assert "insufficient" == sizes["side: (missing)"]
    assert {False} == {one["judged"] for one in evidence(lines, config)["groups"] if one["group"] == "r"}


def test_positives_and_negatives_count_apart(toy) -> None:
    """A group with many rows and few positives cannot tell a true positive rate: the gate compares one group alone."""

    def rare(frame):
        few = np.arange(len(frame)) % 50 > 0
        return frame.assign(dear=np.where((frame["group"] == "x") & few, "no", frame["dear"]))

    own, config = toy("binary", spoil=rare)
    [line] = [line for line in judge(own, config) if line.measure.endswith("by group")]
    assert ("fail", None) == (line.verdict, line.value)
    assert "fewer than two groups" in line.why


def test_an_intersection_without_a_row_is_no_group(toy) -> None:
    """Of combinations only those count that the rows hold, the others are named; a value without a row fails."""
    own, config = toy("binary", spoil=lambda frame: frame[(frame["group"] == "x") | (frame["side"] == "l")])
    lines = judge(own, config)
    assert ["intersections without a row"] == [line.measure for line in lines if "y & r" in line.group]
    assert "fail" not in {line.verdict for line in lines}
    own, config = toy("binary", spoil=lambda frame: frame[frame["side"] != "r"])
    assert {"side: r": "fail"} == {line.group: line.verdict for line in judge(own, config) if line.verdict == "fail"}


@pytest.mark.parametrize("kind", KINDS)
def test_one_output_that_is_no_number_fails_every_gate(toy, kind) -> None:
    """It may not hide in a group that is too small to be judged."""
    own, config = toy(kind)
    choice = own.outcome.copy()
    choice[np.flatnonzero(own.rows["side"].isna())[0]] = np.nan
    config = replace(config, groups=Groups(min_positives=200, min_negatives=200), fairness=config.fairness[:2])
    lines = judge_groups(own.rows, own.outcome, choice, config)
    assert {("fail", "an output is not a number")} == {(line.verdict, line.why) for line in lines if line.bound}
    rates = [line for line in lines if line.verdict == "shown" and line.measure != "rows of the group"]
    assert {(None, "an output is no number")} == {(line.value, line.why) for line in rates}


def test_a_model_that_errs_for_one_group_fails(toy) -> None:
    """A quantity estimated 100 too low for one group: red by the mean error, by that column alone."""
    gates = tuple(Gate("mean_error_difference", by=by, at_most=50.0, why="w") for by in ("group", "side"))
    own, config = toy("quantity", fairness=gates)
    choice = own.outputs[:, 0] - 100 * (own.rows["group"] == "x").to_numpy()
    lines = judge_groups(own.rows, own.outcome, choice, config)
    assert ["fail", "pass"] == [line.verdict for line in lines if line.bound]
    assert pytest.approx(100, abs=5) == lines[0].value


@pytest.mark.parametrize(("show", "told"), [(True, True), (False, False)])
def test_rates_of_few_rows_are_withheld_where_values_are(toy, show, told) -> None:
    """A rate over three rows tells what they hold: with SHOW_VALUES off it is not told."""
    own, config = toy(
        "binary", spoil=lambda frame: frame.drop(frame.index[frame["group"] == "x"][3:]), show_values=show
    )
    lines = judge(own, config)
    rates = [line for line in lines if line.group == "group: x" and line.measure != "rows of the group"]
    assert any(line.value is not None for line in rates) == told
    assert any(one["group"] == "x" for one in evidence(lines, config)["groups"]) == told


@pytest.mark.parametrize("few", [19, 20])
def test_twenty_rows_are_enough_to_tell_a_rate(toy, few) -> None:
    """Of nineteen the line is there, without a figure, and says why."""
    own, config = toy(
        "binary", spoil=lambda frame: frame.drop(frame.index[frame["group"] == "x"][few:]), show_values=False
    )
    [line] = [line for line in judge(own, config) if (line.group, line.measure) == ("group: x", "selection rate")]
    why = "not told of fewer than 20 rows: it would say what they hold"
    if few == 20:
        assert (True, "told, not judged by itself") == (line.value is not None, line.why)
    else:
        assert shown("selection rate", "group: x", None, 19, why) == line
