"""The judge: surely worse, surely not, or not enough to tell; on either side, at one chance of error for all."""

import numpy as np
import pytest

from infra.baking.compared import Shares, beyond_excuse, judge

ALPHA = 0.01


def one(hits, n, others=None, m=0.0, **more):
    """Judge one share."""
    theirs = None if others is None else np.array([float(others)])
    [line] = judge([Shares(("x",), np.array([float(hits)]), n, 0.01, theirs, m, **more)], ALPHA)
    return line


@pytest.mark.parametrize(
    ("hits", "n", "verdict"),
    [
        (0, 0, "not enough"),
        (0, 100, "not enough"),
        (0, 3000, "no worse"),
        (20, 1000, "not enough"),
        (300, 3000, "worse"),
        (5, 5, "worse"),
    ],
)
def test_a_share_is_worse_no_worse_or_not_enough_to_tell(hits, n, verdict) -> None:
    """Against stable's 1 in 1,000, with 1 in 100 more tolerated."""
    assert verdict == one(hits, n, 27, 27_000).verdict


def test_without_anything_of_stable_only_a_flawless_one_is_beaten() -> None:
    """Stable may be anything from 0 to 1: against the best of them a canary may pass, none is called worse."""
    line = one(0, 100_000, 0, 0)
    assert ("no worse", None, None) == (line.verdict, line.stable, line.difference)
    assert "not enough" == one(5_000, 100_000, 0, 0).verdict
    [line] = judge([Shares(("x",), np.array([0.0]), 100_000, 0.01, np.array([0.0]), 0, both=True)], ALPHA)
    assert "not enough" == line.verdict


def test_what_is_known_needs_no_requests_of_stable() -> None:
    """Without others the expected share is what it is compared with."""
    assert "no worse" == one(505, 10_000, expected=0.05).verdict
    assert "worse" == one(900, 10_000, expected=0.05).verdict


def test_the_line_holds_the_numbers() -> None:
    """Shares, difference, an interval around it, the bound, and of how many."""
    line = one(40, 1000, 90, 9000, times=2.0)
    assert ("x", 0.04, 0.01, 0.01, 1000, 9000) == (line.measure, line.canary, line.stable, line.bound, line.n, line.m)
    assert pytest.approx(0.02) == line.difference
    assert line.low < 0.02 < line.high


def test_of_many_shares_the_worst_speaks() -> None:
    """One bad share in twenty is enough to be worse, and one unclear one to be not enough."""
    names = tuple(f"s{place}" for place in range(20))
    others, m = np.full(20, 900.0), 90_000.0
    hits = np.full(20, 100.0)
    [line] = judge([Shares(names, hits, 10_000, 0.01, others, m)], ALPHA)
    assert "no worse" == line.verdict
    hits[7] = 700
    [line] = judge([Shares(names, hits, 10_000, 0.01, others, m)], ALPHA)
    assert ("worse", "s7") == (line.verdict, line.measure)
    hits[7] = 200
    [line] = judge([Shares(names, hits, 10_000, 0.01, others, m)], ALPHA)
    assert ("not enough", "s7") == (line.verdict, line.measure)


@pytest.mark.parametrize("hits", [1_000, 5_000])
def test_both_sides_are_judged_where_they_are_asked_for(hits) -> None:
    """Too many and too few are alike, and the interval is that of the distance."""
    shares = {"names": ("x",), "hits": np.array([float(hits)]), "n": 10_000.0, "bound": 0.1}
    [line] = judge([Shares(**shares, others=np.array([3e4]), m=1e5, both=True)], ALPHA)
    assert "worse" == line.verdict
    assert pytest.approx(0.2) == line.difference
    assert 0.1 < line.low < 0.2 < line.high
    [line] = judge([Shares(**shares, others=np.array([3e4]), m=1e5, expected=(hits / 1e4 - 0.3), both=True)], ALPHA)
    assert ("no worse", 0.0) == (line.verdict, line.low)
    [line] = judge([Shares(**shares, others=np.array([3e4]), m=1e5)], ALPHA)
    assert ("worse" if hits > 3_000 else "no worse") == line.verdict


def test_more_measures_ask_for_more_before_one_is_worse() -> None:
    """They share one chance of a false alarm; to be no worse each has the whole."""
    alone, [first, *_] = one(33, 1000), judge([Shares(("x",), np.array([33.0]), 1000, 0.01)] * 8, ALPHA)
    assert first.low < alone.low
    assert first.high == alone.high


@pytest.mark.parametrize(
    ("hits", "n", "others", "m", "named"),
    [
        (0, 2000, 0, 16, ""),
        (1, 20, 0, 16, ""),
        (100, 2000, 0, 16, "x"),
        (100, 2000, 16, 16, ""),
        (2000, 2000, 16, 16, "x"),
        (100, 2000, 0, 0, "x"),
    ],
)
def test_what_a_stable_that_is_asked_no_more_cannot_excuse_is_named(hits, n, others, m, named) -> None:
    """Many failures of the canary, beyond what stable surely has itself; one of a few may be chance."""
    theirs = np.array([float(others)])
    assert named == beyond_excuse([Shares(("x",), np.array([float(hits)]), n, 0.01, theirs, m)], ALPHA)


def test_what_is_named_as_inexcusable_is_never_called_no_worse() -> None:
    """Of 200 canaries that fail three in a hundred, whatever comes after the name was said."""
    chance, named, finished = np.random.default_rng(3), 0, 0
    for _ in range(200):
        hits = np.cumsum(chance.random(6000) < 0.03)
        for n in range(500, 6001, 500):
            shares = [Shares(("x",), np.array([float(hits[n - 1])]), n, 0.01, np.array([0.0]), 16)]
            if beyond_excuse(shares, ALPHA):
                named += 1
                finished += one(hits[-1], 6000, 0, 16).verdict == "no worse"
                break
    assert (True, 0) == (named > 150, finished)
