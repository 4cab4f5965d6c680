"""What the service's page shows of a version: figures as they were judged, plots where values may leave, the card."""

from types import SimpleNamespace

import pytest

from tests.validation.pages.evidence import KINDS, TARGETS, verdict
from tests.validation.pages.test_page import hostile
from validation.pages.served import LEFT_OUT, NONE, shown_by_service
from validation.script import to_json

CARD = "# Model card\n\n## Intended use\n\nTests.\n"


def shown(kind="binary", show_values=True, **replaced):
    target = TARGETS.get(kind, SimpleNamespace(positive=">50K"))
    gates = {gate: verdict(gate, kind) for gate in ("performance", "fairness")} | replaced
    return shown_by_service(gates, SimpleNamespace(show_values=show_values, target=target), CARD)


@pytest.mark.parametrize("kind", KINDS)
def test_figures_are_those_that_were_judged_with_an_interval(kind) -> None:
    """With interval, bound and verdict; a count of looks is in the table alone."""
    told = shown(kind)
    assert ["roc_auc", "roc_auc lost to the champion"] == [one["measure"] for one in told["figures"]]
    assert ("0.9276", "at least 0.915", "pass") == tuple(
        told["figures"][0][name] for name in ("value", "bound", "verdict")
    )
    assert ["roc_auc", "roc_auc lost to the champion", "looks at this test part"] == [
        row[0] for row in told["performance"]["rows"]
    ]
    assert {len(told["fairness"]["heads"])} == {len(row) for row in told["fairness"]["rows"]}


def test_small_groups_are_not_among_what_was_judged() -> None:
    """The table of fairness holds what has a bound."""
    assert {"demographic_parity_difference by sex", "equalized_odds_difference by race"} == {
        row[0] for row in shown()["fairness"]["rows"]
    }


@pytest.mark.parametrize("kind", KINDS)
def test_plots_travel_where_values_may_leave(kind) -> None:
    """With SHOW_VALUES off there is none, and a sentence says why; so does one where nothing was left to draw."""
    open_, closed = shown(kind), shown(kind, show_values=False)
    assert open_["plots"]["performance"]
    assert open_["plots"]["groups"]
    assert ({"performance": [], "groups": []}, LEFT_OUT) == (closed["plots"], closed["without_plots"])
    bare = {gate: verdict(gate, kind, evidence={}) for gate in ("performance", "fairness")}
    assert ("", NONE) == (open_["without_plots"], shown(kind, **bare)["without_plots"])
    assert {name: value for name, value in open_.items() if "plots" not in name} == {
        name: value for name, value in closed.items() if "plots" not in name
    }


def test_the_same_verdicts_give_the_same_bytes() -> None:
    """No time, no random id."""
    assert to_json(shown()) == to_json(shown())


def test_hostile_values_are_texts_and_drawings_stay_drawings() -> None:
    """Each drawing is XML of its own, whatever the groups are called; it is JSON whatever they hold."""
    told = shown(**hostile())
    assert "<script>" in to_json(told)
    for plot in (*told["plots"]["performance"], *told["plots"]["groups"]):
        assert "<script" not in plot["svg"]


def test_a_run_without_a_gate_still_has_its_card() -> None:
    """Nothing is drawn of what is not there."""
    told = shown_by_service({}, SimpleNamespace(show_values=True, target=TARGETS["quantity"]), CARD)
    assert ([], [], []) == (told["figures"], told["performance"]["rows"], told["fairness"]["rows"])
    assert [{"title": "Intended use", "holds": [["p", "Tests."]]}] == told["card"]
