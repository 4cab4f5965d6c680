"""Every line about groups, word by word, on a table small enough to count."""

from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from validation.gate import Measure, judged, shown
from validation.measures.disparity import disparity, disparity_interval
from validation.measures.groups import evidence, is_large, judge_groups, names_of, waived
from validation.measures.rates import rates_of
from validation.words.bounds import Bound, Gate
from validation.words.columns import Category, Classes, Quantity
from validation.words.settings import Groups, Waiver

DAY = date(2026, 11, 24)
BOTH = Gate("demographic_parity_difference", by=("town", "sex"), at_most=0.5, why="why of both")
TOWN = Gate("demographic_parity_difference", by="town", at_most=0.5, why="why of town")
SEX = Gate("equalized_odds_difference", by="sex", at_most=0.9, why="why of sex")


@pytest.fixture
def small(config):
    """A contract with two sensitive columns, one of which may be missing."""
    features = (
        *config.features,
        Category("town", values=("a", "b", "c"), missing=True, hidden=True),
    )
    return replace(
        config,
        features=features,
        sensitive=("town", "sex"),
        fairness=(TOWN, SEX, BOTH),
        groups=Groups(min_positives=2, min_negatives=2, must_judge={"town": ("c",)}),
        model=replace(config.model, reweigh_by=None),
    )


ROWS = pd.DataFrame(
    {
        "town": ["a"] * 8 + ["b"] * 8 + ["c"] * 3 + [None] * 4,
        "sex": (["Male"] * 4 + ["Female"] * 4) * 2 + ["Male"] * 3 + ["Female"] * 4,
    }
)
OUTCOME = np.array([1, 1, 0, 0] * 4 + [1, 1, 0] + [1, 1, 0, 0], dtype=float)
CHOICE = np.array([1, 1, 1, 0, 0, 1, 0, 0] * 2 + [1, 1, 1] + [0, 1, 0, 1], dtype=float)


def told(config, columns: str, name: str, chosen: np.ndarray) -> list[Measure]:
    return [
        shown(rate, f"{columns}: {name}", value, n, "told, not judged by itself", interval)
        for rate, value, interval, n in rates_of(OUTCOME[chosen], CHOICE[chosen], config)
    ]


def gate(rule: Gate, names: np.ndarray, large: list[str], title: str, config) -> Measure:
    chosen = np.isin(names, large)
    given = (OUTCOME[chosen], CHOICE[chosen], names[chosen])
    value = disparity(rule.metric, "binary", *given)
    interval = disparity_interval(rule.metric, "binary", *given, config.seed)
    return judged(rule.measure, title, value, rule.bound, int(chosen.sum()), rule.why, interval)


def test_every_line_is_as_it_should_be(small) -> None:
    """Gates first, then each group with its size and its rates; the small ones are told as such."""
    town, sex, both = (names_of(ROWS, columns, small) for columns in (("town",), ("sex",), ("town", "sex")))
    large_both = ["(missing) & Female", "a & Female", "a & Male", "b & Female", "b & Male"]
    least = "too small to be judged: it takes 2 with the outcome and 2 without"
    enough = "large enough to be judged"
    expected = [
        gate(TOWN, town, ["a", "b", "(missing)"], "town: (missing), a, b", small),
        gate(SEX, sex, ["Female", "Male"], "sex: Female, Male", small),
        gate(BOTH, both, large_both, f"town and sex: {', '.join(large_both)}", small),
    ]
    for columns, names, known in (
        ("town", town, ["a", "b", "c", "(missing)"]),
        ("sex", sex, ["Female", "Male"]),
        ("town and sex", both, sorted({*large_both, "c & Male"})),
    ):
        if columns == "town and sex":
            gone = "town and sex: (missing) & Male, c & Female"
            why = "no row of the test part is in them: nobody can say how they are treated"
            expected.append(Measure("intersections without a row", gone, 2.0, None, len(ROWS), "insufficient", why))
        for name in known:
            n, group = int((names == name).sum()), f"{columns}: {name}"
            line = shown("rows of the group", group, float(n), n, enough)
            if name == "c":
                why = f"{least}; GROUPS.must_judge names it"
                line = Measure("rows of the group", group, 3.0, None, 3, "fail", why)
            if name == "c & Male":
                line = Measure("rows of the group", group, 3.0, None, 3, "insufficient", least)
            expected += [line, *told(small, columns, name, names == name)]
    assert expected == judge_groups(ROWS, OUTCOME, CHOICE, small)
    assert expected[0].interval


def test_a_group_without_a_row_is_red(small) -> None:
    """A declared value that no row holds: nobody can say how it is treated."""
    rows = ROWS.assign(town=ROWS["town"].replace("c", "b"))
    [line] = [
        line
        for line in judge_groups(rows, OUTCOME, CHOICE, small)
        if (line.group, line.measure) == ("town: c", "rows of the group")
    ]
    why = "a declared group without a row in the test part: nobody can say how it is treated"
    assert line == Measure("rows of the group", "town: c", 0.0, Bound(at_least=1), 0, "fail", why)


@pytest.mark.parametrize(
    ("least", "choice", "group", "n", "why"),
    [
        (5, CHOICE, "town: ", 0, "fewer than two groups are large enough to be compared"),
        (4, CHOICE, "town: a, b", 16, "an output is not a number"),
        (2, np.append(CHOICE[:-1], np.nan), "town: (missing), a, b", 20, "an output is not a number"),
    ],
)
def test_a_gate_that_cannot_be_measured_says_why(small, least, choice, group, n, why) -> None:
    """Too few groups, or an output that is none."""
    settings = replace(small, groups=Groups(min_positives=least, min_negatives=least))
    if least == 4:
        choice = np.where(np.arange(len(choice)) == 0, np.nan, choice)
    line = judge_groups(ROWS, OUTCOME, choice, settings)[0]
    assert line == Measure(TOWN.measure, group, None, TOWN.bound, n, "fail", why)


def test_a_gate_draws_its_interval_by_the_seed_of_config(small) -> None:
    """The same model gets the same interval on every run, another seed another one."""
    rows = pd.DataFrame({"town": ["a", "b"] * 150, "sex": ["Male"] * 300})
    draw = np.random.default_rng(0)
    outcome, choice = draw.integers(0, 2, 300).astype(float), draw.integers(0, 2, 300).astype(float)
    intervals = []
    for seed in (small.seed, small.seed, small.seed + 1):
        config = replace(small, fairness=(TOWN,), sensitive=("town",), seed=seed)
        lines = judge_groups(rows, outcome, choice, config)
        intervals.append(next(line.interval for line in lines if line.measure.startswith(TOWN.metric)))
    assert intervals[0] == intervals[1] != intervals[2]


def test_exactly_two_groups_are_enough(small) -> None:
    """Two can be compared."""
    settings = replace(small, groups=Groups(min_positives=4, min_negatives=4))
    line = judge_groups(ROWS, OUTCOME, CHOICE, settings)[0]
    assert ("town: a, b", "pass", TOWN.why) == (line.group, line.verdict, line.why)


def another_target(config, target):
    """Give the contract another kind of target, without what hangs on the labels."""
    other = object.__new__(type(config))
    other.__dict__.update(vars(config) | {"target": target})
    return other


@pytest.mark.parametrize("target", [Classes("t", values=("x", "y", "z")), Quantity("t", low=0, high=9)])
@pytest.mark.parametrize(("rows", "large"), [(4, False), (5, True), (6, True)])
def test_without_two_labels_the_sum_of_both_counts(small, target, rows, large) -> None:
    """Rows enough for both, whatever their outcome."""
    settings = replace(small, groups=Groups(min_positives=3, min_negatives=2))
    assert large is is_large(np.zeros(rows), another_target(settings, target))


@pytest.mark.parametrize("target", [Classes("t", values=("x", "y", "z")), Quantity("t", low=0, high=9)])
def test_what_a_small_group_lacks_is_said(small, target) -> None:
    """The sum of both minima, in rows; and the gate is that of the kind of target."""
    metric = "accuracy_difference" if target.kind == "classes" else "mean_error_difference"
    rule = Gate(metric, by="town", at_most=5.0, why="w")
    settings = another_target(small, target)
    settings.__dict__.update(fairness=(rule,), sensitive=("town",))
    lines = judge_groups(ROWS, OUTCOME, CHOICE, settings)
    [line] = [line for line in lines if (line.group, line.measure) == ("town: c", "rows of the group")]
    assert "too small to be judged: it takes 4 rows; GROUPS.must_judge names it" == line.why
    names = names_of(ROWS, ("town",), settings)
    chosen = names != "c"
    given = (OUTCOME[chosen], CHOICE[chosen], names[chosen])
    assert lines[0].value == disparity(metric, target.kind, *given)
    assert lines[0].interval == disparity_interval(metric, target.kind, *given, settings.seed)


def test_a_waiver_changes_the_verdict_and_nothing_else(small, monkeypatch) -> None:
    """Value, bound, rows and interval stay; owner, reason and end come first in the why."""
    monkeypatch.setattr("validation.words.settings.today", lambda: DAY)
    fails = Measure(BOTH.measure, "g", 0.7, BOTH.bound, 9, "fail", "why of both", (0.6, 0.8))
    holds = Measure(SEX.measure, "g", 0.1, SEX.bound, 9, "pass", "why of sex")
    waivers = (Waiver(BOTH.metric, ("town", "sex"), "ada", "reason", DAY), Waiver(SEX.metric, "sex", "bob", "r", DAY))
    why = "waived until 2026-11-24 by ada: reason; why of both"
    ends = Measure(
        "waivers that are over",
        "",
        0.0,
        Bound(at_most=0),
        2,
        "pass",
        "a waiver that is over has to be renewed with a reason, or removed",
    )
    settings = replace(small, waivers=waivers)
    assert [replace(fails, verdict="waived", why=why), holds, ends] == waived([fails, holds], settings)
    assert [fails, holds] == waived([fails, holds], small)
    unknown = replace(fails, value=None, interval=None)
    assert unknown == waived([unknown], settings)[0]
    told = evidence([], settings)["waivers"]
    assert told == [
        {"measure": BOTH.measure, "owner": "ada", "reason": "reason", "expires": "2026-11-24", "in_force": True},
        {"measure": SEX.measure, "owner": "bob", "reason": "r", "expires": "2026-11-24", "in_force": True},
    ]


def test_waivers_that_are_over_are_named_each(small, monkeypatch) -> None:
    """Who answered for them, and since when they are over."""
    monkeypatch.setattr("validation.words.settings.today", lambda: DAY)
    old = date(2026, 11, 23)
    waivers = (Waiver(BOTH.metric, ("town", "sex"), "ada", "r", old), Waiver(SEX.metric, "sex", "bob", "r", old))
    [line] = waived([], replace(small, waivers=waivers))
    why = (
        "demographic_parity_difference by town and sex, ada: over since 2026-11-23;"
        " equalized_odds_difference by sex, bob: over since 2026-11-23"
    )
    assert line == Measure("waivers that are over", "", 2.0, Bound(at_most=0), 2, "fail", why)


def test_the_report_gets_each_rate(small) -> None:
    """By, group, rate, figure and interval; rates of no row, gates and sizes are left out."""
    lines = [
        Measure(TOWN.measure, "town: a, b", 0.1, TOWN.bound, 9, "pass", "w", (0.0, 0.2)),
        shown("rows of the group", "town: a: b", 5.0, 5, "w"),
        shown("selection rate", "town: a: b", 0.5, 5, "w", (0.4, 0.6)),
        shown("selection rate", "town: c", 0.25, 4, "w", (0.1, 0.5)),
        shown("true positive rate", "town: c", None, 0, "w"),
    ]
    rate = {"by": "town", "rate": "selection rate"}
    assert [
        rate | {"group": "a: b", "judged": True, "value": 0.5, "low": 0.4, "high": 0.6, "n": 5},
        rate | {"group": "c", "judged": False, "value": 0.25, "low": 0.1, "high": 0.5, "n": 4},
    ] == evidence(lines, small)["groups"]
