"""Intervals that hold what they promise: DeLong, means of rows, and the bootstrap for the rest."""

import warnings

import numpy as np
import pytest

from validation.measures.metrics import MEANS, METRICS, measure
from validation.measures.paired import Z, delong, interval, lost

UP = {"roc_auc", "accuracy", "average_precision", "balanced_accuracy", "macro_f1", "r2"}
QUANTITIES = {"r2", "mse", "rmse", "mae"}


def labels(seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, and two models of which the second is noisier."""
    chance = np.random.default_rng(seed)
    outcome = chance.integers(0, 2, n).astype(float)
    good, noisy = (1 / (1 + np.exp(-(2 * outcome - 1 + chance.normal(0, spread, n)))) for spread in (1.0, 3.0))
    return outcome, np.column_stack([1 - good, good]), np.column_stack([1 - noisy, noisy])


def quantities(seed: int = 0, n: int = 600) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    outcome = chance.normal(0, 1, n)
    return outcome, *((outcome + chance.normal(0, spread, n)).reshape(-1, 1) for spread in (0.3, 0.6))


def made(metric: str, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return quantities(seed) if metric in QUANTITIES else labels(seed)


def test_delong_gives_the_areas_and_their_covariance() -> None:
    """By the definition: the share of pairs in order, and the covariance of the two structural components."""
    outcome, good, noisy = labels(n=120)
    good, noisy = np.round(good, 1), np.round(noisy, 1)  # ties count half
    areas, covariance = delong(outcome == 1, good[:, 1], noisy[:, 1])
    parts = []
    for scores in (good[:, 1], noisy[:, 1]):
        pairs = np.sign(scores[outcome == 1][:, None] - scores[outcome == 0][None, :]) / 2 + 0.5
        parts.append((pairs.mean(axis=1), pairs.mean(axis=0), pairs.mean()))
    assert pytest.approx([part[2] for part in parts]) == areas
    expected = np.cov([part[0] for part in parts]) / len(parts[0][0]) + np.cov([part[1] for part in parts]) / len(
        parts[0][1]
    )
    assert pytest.approx(expected) == covariance


@pytest.mark.parametrize("positives", [0, 1, 599, 600])
def test_delong_needs_two_of_each(positives) -> None:
    """With fewer than two positives or negatives nothing is known of the spread."""
    outcome = np.arange(600) < positives
    scores = np.linspace(0, 1, 600)
    areas, covariance = delong(outcome, scores, scores)
    assert ((2,), (2, 2)) == (areas.shape, covariance.shape)
    assert (True, True) == (np.isnan(areas).all(), np.isnan(covariance).all())


@pytest.mark.parametrize("positives", [2, 598])
def test_two_of_each_are_enough_for_delong(positives) -> None:
    """Two tell a spread."""
    areas, covariance = delong(np.arange(600) < positives, np.sin(np.arange(600)))
    assert (True, True) == (np.isfinite(areas).all(), np.isfinite(covariance).all())


def test_a_ranking_is_bounded_by_the_spread_of_delong() -> None:
    """One model by its own variance, two by that of their difference: both covariances count."""
    outcome, good, noisy = labels(n=120)
    areas, covariance = delong(outcome == 1, good[:, 1], noisy[:, 1])
    (one, between), (_, other) = covariance
    half = Z * np.sqrt(one)
    assert interval("roc_auc", outcome, good, seed=1) == pytest.approx((areas[0] - half, areas[0] + half))
    loss, ends = lost("roc_auc", True, outcome, good, noisy, seed=1)
    half = Z * np.sqrt(one + other - 2 * between)
    assert loss == pytest.approx(areas[0] - areas[1])
    assert ends == pytest.approx((loss - half, loss + half))


def test_a_mean_is_bounded_by_its_standard_error() -> None:
    """By hand: errors of 1 and 3, of 2 and 6, and their differences; two rows are enough."""
    outcome, ours, theirs = np.zeros(2), np.array([[2.0], [6.0]]), np.array([[1.0], [3.0]])
    assert interval("mae", outcome, theirs, seed=1) == pytest.approx((2 - Z, 2 + Z))
    loss, ends = lost("mae", False, outcome, theirs, ours, seed=1)
    assert (loss, *ends) == pytest.approx((2.0, 2 - Z, 2 + Z))


def test_a_bootstrap_draws_every_row_as_often_as_it_says() -> None:
    """The quantiles of the draws of its seed, over rows from the first to the last; 800 where nothing else is said."""
    outcome, good, noisy = quantities(n=12)

    def ends(drawn, draws: int) -> tuple[float, float]:
        chance = np.random.default_rng(4)
        return tuple(np.quantile([drawn(chance.integers(0, 12, 12)) for _ in range(draws)], [0.025, 0.975]))

    def error(outputs, rows) -> float:
        return np.sqrt(((outcome[rows] - outputs[rows, 0]) ** 2).mean())

    def loss(rows) -> float:
        return error(noisy, rows) - error(good, rows)

    assert interval("rmse", outcome, good, seed=4) == pytest.approx(ends(lambda rows: error(good, rows), 800))
    for draws in (30, 800):
        assert lost("rmse", False, outcome, good, noisy, 4, draws)[1] == pytest.approx(ends(loss, draws))
    assert lost("rmse", False, outcome, good, noisy, 4)[1] == pytest.approx(ends(loss, 800))


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_an_interval_lies_around_its_value(metric) -> None:
    """Each metric of one model has an interval, and it is not a point."""
    outcome, good, _ = made(metric)
    low, high = interval(metric, outcome, good, seed=1)
    assert low < measure(metric, outcome, good) < high
    assert high - low < 0.3


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_a_loss_has_the_sign_of_what_is_worse(metric) -> None:
    """Positive when our model is worse, negative when it is better; both ways the interval holds the loss."""
    outcome, good, noisy = made(metric)
    for theirs, ours, sign in ((good, noisy, 1), (noisy, good, -1)):
        loss, (low, high) = lost(metric, metric in UP, outcome, theirs, ours, seed=1)
        assert low < loss < high
        assert sign == np.sign(loss)
        assert sign * (measure(metric, outcome, theirs) - measure(metric, outcome, ours)) * (
            1 if metric in UP else -1
        ) == pytest.approx(sign * loss)


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_a_model_loses_nothing_against_itself(metric) -> None:
    """The interval of a model against itself is a point at nought."""
    outcome, good, _ = made(metric)
    assert (0.0, (0.0, 0.0)) == lost(metric, metric in UP, outcome, good, good, seed=1)


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_what_is_not_defined_is_nan(metric) -> None:
    """An output that is no number leaves nothing to bound."""
    outcome, good, noisy = made(metric)
    spoilt = noisy.copy()
    spoilt[3] = np.nan
    assert np.isnan(interval(metric, outcome, spoilt, seed=1)).all()
    for theirs, ours in ((good, spoilt), (spoilt, good)):
        loss, ends = lost(metric, True, outcome, theirs, ours, seed=1)
        assert (True, True) == (np.isnan(loss), np.isnan(ends).all())


@pytest.mark.parametrize("metric", ["log_loss", "mse"])
def test_one_row_has_no_interval(metric) -> None:
    """A single row tells nothing of the spread, and no warning is printed."""
    outcome, good, noisy = (values[:1] for values in made(metric))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(interval(metric, outcome, good, seed=1)).all()
        assert np.isnan(lost(metric, False, outcome, good, noisy, seed=1)[1]).all()


@pytest.mark.parametrize("metric", ["roc_auc", "log_loss", "rmse"])
def test_the_upper_end_errs_one_time_in_forty(metric) -> None:
    """Over many test parts of one population, the true loss lies above the upper end about 2.5 % of the time."""
    outcome, good, noisy = (quantities if metric in QUANTITIES else labels)(seed=7, n=40_000)
    truth = lost(metric, metric in UP, outcome, good, noisy, seed=0)[0]
    chance = np.random.default_rng(1)
    trials = 100 if metric == "rmse" else 400
    above = 0
    for _ in range(trials):
        rows = chance.integers(0, len(outcome), 800)
        above += truth > lost(metric, metric in UP, outcome[rows], good[rows], noisy[rows], seed=2)[1][1]
    assert 0.0025 <= above / trials <= 0.05


def test_a_bootstrap_is_the_same_for_the_same_seed() -> None:
    """Nothing random is left to the clock."""
    outcome, good, noisy = labels()
    first, again, other = (
        lost("balanced_accuracy", True, outcome, good, noisy, seed, draws=50)[1] for seed in (1, 1, 2)
    )
    assert (True, False) == (first == again, first == other)
