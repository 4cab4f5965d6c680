"""Bounds of a share: they hold at every look at once, and close in as requests come."""

import numpy as np
import pytest

from infra.baking.sequential import enough, fewest, lower, upper

LENGTH = 2000


def looked_at(chance: np.random.Generator, shares: np.ndarray, alpha: float) -> tuple[bool, bool]:
    """Draw requests, look after each; tell whether either bound was ever on the wrong side of the mean share."""
    hits, n = np.cumsum(chance.random(LENGTH) < shares), np.arange(1, LENGTH + 1)
    true = np.cumsum(shares) / n
    return bool((upper(hits, n, alpha) < true).any()), bool((lower(hits, n, alpha) > true).any())


@pytest.mark.parametrize(
    "shares",
    [np.full(LENGTH, 0.02), np.full(LENGTH, 0.5), 0.05 * (1 + np.sin(np.arange(LENGTH) / 50))],
    ids=["rare", "often", "by the hour"],
)
def test_the_bounds_hold_however_often_one_looks(shares) -> None:
    """Of 200 runs with a look after each request no more leave the bounds, at a level of 0.1, than chance explains."""
    chance = np.random.default_rng(5)
    found = np.array([looked_at(chance, shares, 0.1) for _ in range(200)])
    assert (found.mean(axis=0) <= 0.1 + 2 * np.sqrt(0.09 / 200)).all()


def test_a_fixed_interval_does_not_hold_when_one_looks_often() -> None:
    """An interval that is made for one look is left by far more of the same runs: the test above can fail."""
    chance, left = np.random.default_rng(5), 0
    for _ in range(200):
        hits, n = np.cumsum(chance.random(LENGTH) < 0.5), np.arange(1, LENGTH + 1)
        left += bool((hits / n + 1.2816 * np.sqrt(0.25 / n) < 0.5)[20:].any())
    assert left / 200 > 0.3


def test_the_bounds_close_in() -> None:
    """A hundred times the requests, about a tenth of the width; none tell nothing."""
    few, many = (upper(n / 2, n, 0.01) - lower(n / 2, n, 0.01) for n in (1_000.0, 100_000.0))
    assert 8 < few / many < 13
    assert [(0.0, 1.0)] * 2 == [(float(lower(0, n, 0.01)), float(upper(n, n, 0.01))) for n in (0, 7)]


def test_below_and_above_mirror_each_other() -> None:
    """What is a hit is a matter of name."""
    assert np.allclose(lower([3, 40], [50, 50], 0.01), 1 - upper([47, 10], [50, 50], 0.01))


@pytest.mark.parametrize("bound", [0.001, 0.005, 0.1])
def test_enough_requests_prove_a_bound_and_a_third_of_them_do_not(bound) -> None:
    """Without a single hit."""
    n = enough(bound, 0.005)
    assert upper(0, n, 0.005) < bound < upper(0, n / 3, 0.005)


@pytest.mark.parametrize("bound", [1e-6, 0.005, 0.1, 0.5])
def test_fewer_than_the_fewest_prove_nothing(bound) -> None:
    """One less does not, and it is less than what is surely enough."""
    n = fewest(bound, 0.01)
    assert upper(0, n, 0.01) < bound <= upper(0, n - 1, 0.01)
    assert n <= enough(bound, 0.01)
