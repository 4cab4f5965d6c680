"""What is compared: failures, refusals, times at every bound, and the predictions' shift against the expected one."""

from dataclasses import replace

import numpy as np
import pytest

from infra.baking.compared import judge
from infra.baking.expected import Expected
from infra.baking.measures import Unlike, of_answers, of_callers, of_predictions, of_requests


@pytest.fixture
def deploy(config):
    return config.deploy


def expected(above=(0.7, 0.4, 0.1), labels=("no", "yes"), edges=(0.25, 0.5, 0.75)):
    chosen = np.array([1 - above[1], above[1]]) if labels else np.zeros(0)
    return Expected(edges, np.array(above), labels, chosen, "the test part")


def verdicts(measures, alpha=0.01):
    return [line.verdict for line in judge(measures, alpha)]


def test_alike_is_no_worse(counts, deploy) -> None:
    """All measures of a canary that is as stable is."""
    canary, stable = counts(), counts(asked=90_000.0, failed=90.0, refused=900.0)
    measures = [*of_requests(canary, stable, deploy), *of_predictions(canary, stable, expected(), expected(), deploy)]
    assert ["no worse"] * 4 == verdicts(measures)


TINY = (0.001, 0.05, 0.5)
HARMS = {
    "failures": ({"failed": 500.0}, 0),
    "refusals": ({"refused": 1000.0}, 1),
    "slow answers": ({"slow": (0.5, 0.5, 0.0)}, 2),
    "stragglers": ({"slow": (0.5, 0.1, 0.05)}, 2),
}


@pytest.mark.parametrize(("harm", "place"), HARMS.values(), ids=HARMS.keys())
def test_each_harm_is_seen_by_its_own_measure(counts, deploy, harm, place) -> None:
    """And by no other."""
    found = verdicts(of_requests(counts(**harm), counts(asked=90_000.0, failed=90.0, refused=900.0), deploy))
    assert "worse" == found[place]
    assert ["no worse"] * 2 == found[:place] + found[place + 1 :]


def test_who_is_turned_away_is_compared_beside_what_was_asked(counts, deploy) -> None:
    """As many as of stable are no worse, nobody of either too; a tenth more is worse, also where all are."""
    some = counts(away=3_000.0)
    for canary, stable, word in (
        (some, some, "no worse"),
        (counts(), counts(), "no worse"),
        (counts(), some, "no worse"),
        (counts(away=6_000.0), some, "worse"),
        (counts(0.0, 0.0, 0.0, away=3_000.0), some, "worse"),
        (counts(0.0, 0.0, 0.0), some, "not enough"),
    ):
        assert [word] == verdicts([of_callers(canary, stable, deploy)])


def test_without_stable_nothing_may_fail_be_refused_or_be_slow(counts, deploy) -> None:
    """The times are held against the one bound that DEPLOY names, the next one that is counted."""
    deploy = replace(deploy, slow_seconds=0.25)
    measures = of_requests(counts(failed=0.0, refused=0.0), None, deploy)
    assert "longer than 0.5 s" == measures[2].names[0]
    assert ["no worse"] * 3 == verdicts(measures)
    assert "worse" == verdicts(of_requests(counts(failed=200.0), None, deploy))[0]
    assert "worse" == verdicts(of_requests(counts(refused=900.0), None, deploy))[1]
    assert "worse" == verdicts(of_requests(counts(slow=(0.5, 0.1, 0.05)), None, deploy))[2]


def test_what_nobody_feels_is_not_compared(counts, deploy) -> None:
    """A service that is asked less is colder, by parts of a millisecond."""
    canary, stable = counts(bounds=TINY, slow=(0.9, 0.1, 0.0)), counts(bounds=TINY, slow=(0.1, 0.1, 0.0))
    assert "no worse" == verdicts(of_requests(canary, stable, deploy))[2]
    assert "worse" == verdicts(of_requests(canary, stable, replace(deploy, felt_seconds=0.001)))[2]


def test_times_are_compared_where_both_count_them(counts, deploy) -> None:
    """Another release of the service may have other bounds; without a common one nothing is said to be good."""
    other = counts(bounds=(0.005, 0.1, 0.5))
    assert 2 == len(of_requests(counts(), other, deploy)[2].names)
    with pytest.raises(Unlike, match="other bounds"):
        of_requests(counts(), counts(bounds=(1.0, 2.0, 3.0)), deploy)
    with pytest.raises(Unlike, match="what takes longer"):
        of_requests(counts(bounds=(0.01, 0.02, 0.03)), None, deploy)


def shifted(counts, deploy, **more):
    """Judge a canary that predicts higher than a stable one, as is expected."""
    canary, stable = counts(above=(0.9, 0.6, 0.3), **more), counts(asked=90_000.0)
    return judge([*of_predictions(canary, stable, expected((0.9, 0.6, 0.3)), expected(), deploy)], 0.01)[0]


def test_a_shift_that_the_test_part_shows_is_no_harm(counts, deploy) -> None:
    """0.2 more above every edge, and 0.2 expected."""
    line = shifted(counts, deploy)
    assert "no worse" == line.verdict
    assert line.difference < 0.01


def test_a_shift_that_nobody_expected_is_worse(counts, deploy) -> None:
    """Also one that fails to appear."""
    canary, stable = counts(above=(0.9, 0.6, 0.3)), counts(asked=90_000.0)
    assert ["worse"] == verdicts([*of_predictions(canary, stable, expected(), expected(), deploy)])
    assert ["worse"] == verdicts([*of_predictions(stable, stable, expected((0.9, 0.6, 0.3)), expected(), deploy)])


def test_labels_are_compared_as_well(counts, deploy) -> None:
    """Of several labels the histogram of the last one's probability does not tell which is chosen."""
    canary = counts(chosen=np.array([3_000.0, 6_890.0]))
    line = judge([*of_predictions(canary, counts(asked=90_000.0), expected(), expected(), deploy)], 0.01)[0]
    assert ("worse", True) == (line.verdict, line.measure.startswith("label "))
    unlabelled = expected(labels=())
    line = judge([*of_predictions(canary, counts(asked=90_000.0), unlabelled, unlabelled, deploy)], 0.01)[0]
    assert "no worse" == line.verdict
    line = judge([*of_predictions(canary, counts(asked=90_000.0), expected(), unlabelled, deploy)], 0.01)[0]
    assert "no worse" == line.verdict


def test_where_stable_cannot_be_compared_the_bundle_is(counts, deploy) -> None:
    """No stable, one of other bins, or none that says what it expects: the canary should predict as its bundle does."""
    good, bad = counts(), counts(above=(0.9, 0.6, 0.3))
    other = replace(expected(), edges=(1.0, 2.0, 3.0))
    for stable, before in ((None, None), (counts(edges=(1.0, 2.0, 3.0)), other), (counts(), other), (counts(), None)):
        assert ["no worse"] == verdicts([*of_predictions(good, stable, expected(), before, deploy)])
        assert ["worse"] == verdicts([*of_predictions(bad, stable, expected(), before, deploy)])


def test_a_canary_that_counts_otherwise_than_its_bundle_is_not_judged(counts, deploy) -> None:
    """It is no canary of this bundle."""
    with pytest.raises(Unlike, match="other bins or labels"):
        of_predictions(counts(labels=("yes", "no")), None, expected(), None, deploy)


def test_an_older_service_is_judged_while_each_request_has_one_row(counts, deploy) -> None:
    """It counts rows, and those of one request may be alike: then nothing is said of predictions, good or bad."""
    old = {"by_request": False, "above": (0.9, 0.6, 0.3)}
    for canary, stable in ((counts(**old), counts()), (counts(above=(0.9, 0.6, 0.3)), counts(by_request=False))):
        assert ["worse"] == verdicts([*of_predictions(canary, stable, expected(), expected(), deploy)])
    many = counts(**old, rows=10_000.0)
    for canary, stable in ((many, counts()), (counts(), many), (many, None)):
        assert [] == of_predictions(canary, stable, expected(), expected(), deploy)


def test_answers_are_held_against_the_bundles_own(deploy) -> None:
    """None compared is not enough."""
    assert ["not enough"] == verdicts([of_answers(0, 0, deploy)])
    assert ["no worse"] == verdicts([of_answers(5000, 0, deploy)])
