"""A bound reads as English, and says what makes it wrong."""

import pytest

from validation.script import Refusal
from validation.words.bounds import Bound, Gate, check_gate


@pytest.mark.parametrize(
    ("bound", "text"),
    [
        (Bound(at_least=40_000), "at least 40000"),
        (Bound(at_most=1e-5), "at most 1e-05"),
        (Bound(at_least=0.2, at_most=0.28), "0.2 to 0.28"),
        (Bound(at_most=0.005, lost=True), "lose at most 0.005"),
    ],
)
def test_a_bound_is_written_as_it_is_said(bound, text) -> None:
    """Numbers in full, limits in words."""
    assert text == str(bound)


@pytest.mark.parametrize(
    ("value", "interval", "holds"),
    [
        (0.001, (0.0, 0.005), True),
        (0.001, (0.0, 0.0051), False),
        (0.001, None, False),
        (float("nan"), (0.0, 0.001), False),
        (None, (0.0, 0.001), False),
        (0.009, (0.0, 0.001), True),
    ],
)
def test_what_may_be_lost_is_held_by_the_upper_end(value, interval, holds) -> None:
    """Value and interval have to be known; the upper end decides."""
    assert holds is Bound(at_most=0.005, lost=True).holds(value, interval)


@pytest.mark.parametrize("interval", [(float("nan"), 0.3), (0.1, float("inf"))])
def test_an_interval_that_is_unknown_spoils_a_value(interval) -> None:
    """A value whose interval is no number is not known either."""
    assert not Bound(at_most=0.5).holds(0.2, interval)
    assert Bound(at_most=0.5).holds(0.2, (0.1, 0.9))


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, r"Gate\('m'\): give exactly one bound, not none"),
        (
            {"at_least": 0.1, "lose_at_most": 0.2},
            r"Gate\('m'\): give exactly one bound, not at_least and lose_at_most",
        ),
        ({"at_most": float("inf")}, r"Gate\('m'\): at_most must be a finite number"),
        ({"at_least": "0.1"}, r"Gate\('m'\): at_least must be a finite number"),
        ({"lose_at_most": float("inf")}, r"Gate\('m'\): lose_at_most must be a finite number"),
        ({"lose_at_most": -0.001}, r"Gate\('m'\): lose_at_most cannot be negative"),
        ({"at_most": 0.1, "by": ("sex",)}, r"Gate\('m'\): by is a column, or a tuple of two or more"),
        ({"at_most": 0.1, "by": ("sex", "sex")}, r"Gate\('m'\): by is a column, or a tuple of two or more"),
        ({"at_most": 0.1, "by": 7}, r"Gate\('m'\): by is a column, or a tuple of two or more"),
        ({"at_most": 0.1, "why": ""}, r"Gate\('m'\): say why in a sentence; it is printed"),
    ],
)
def test_a_gate_that_is_wrong_is_refused(fields, sentence) -> None:
    """One sentence says what is wrong."""
    with pytest.raises(Refusal, match=sentence):
        Gate("m", **({"why": "w"} | fields))


@pytest.mark.parametrize(
    ("fields", "measure", "columns"),
    [
        ({"at_most": 0.0}, "m", ()),
        ({"lose_at_most": 0.0}, "m lost to the champion", ()),
        ({"lose_at_most": 0.5}, "m lost to the champion", ()),
        ({"at_most": 0.1, "by": "sex"}, "m by sex", ("sex",)),
        ({"at_most": 0.1, "by": ("sex", "race")}, "m by sex and race", ("sex", "race")),
    ],
)
def test_a_gate_names_what_it_measures(fields, measure, columns) -> None:
    """Verdicts are held against these names."""
    gate = Gate("m", why="w", **fields)
    assert (measure, columns) == (gate.measure, gate.columns)


def test_a_gate_gives_its_bound() -> None:
    """The number of config.py, and whether it is about a loss."""
    assert Bound(at_least=0.5) == Gate("m", at_least=0.5, why="w").bound
    assert Bound(at_most=0.5) == Gate("m", at_most=0.5, why="w").bound
    assert Bound(at_most=0.5, lost=True) == Gate("m", lose_at_most=0.5, why="w").bound


METRICS = {"up metric": "up", "down metric": "down"}


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (
            Gate("other", at_most=1, why="w"),
            "P: nobody measures 'other' for a binary target; choose from up metric, down",
        ),
        (Gate("up metric", at_most=1, why="w"), r"P: Gate\('up metric'\) bounds the wrong side: higher is better"),
        (Gate("down metric", at_least=1, why="w"), r"P: Gate\('down metric'\) bounds the wrong side: lower is better"),
    ],
)
def test_a_gate_that_nobody_measures_is_refused(gate, sentence) -> None:
    """The metric has to exist for the target, and be bounded on the side where it is worse."""
    with pytest.raises(Refusal, match=sentence):
        check_gate("P", gate, "binary", METRICS)


@pytest.mark.parametrize(
    "gate",
    [
        Gate("up metric", at_least=1, why="w"),
        Gate("down metric", at_most=1, why="w"),
        Gate("up metric", lose_at_most=1, why="w"),
        Gate("down metric", lose_at_most=1, why="w"),
    ],
)
def test_a_gate_that_somebody_measures_is_taken(gate) -> None:
    """Floors for what should be high, ceilings for what should be low, losses for both."""
    check_gate("P", gate, "binary", METRICS)
