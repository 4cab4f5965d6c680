"""Each metric is the usual one."""

import warnings

import numpy as np
import pytest
import sklearn.metrics as sk

from validation.measures.metrics import MEANS, METRICS, measure

CHANCE = np.random.default_rng(0)
BINARY = CHANCE.integers(0, 2, 400).astype(float)
CLASSES = CHANCE.integers(0, 4, 400).astype(float)
SCORES = CHANCE.dirichlet([1, 1], 400)
MANY = CHANCE.dirichlet([1, 1, 1, 1], 400)
NUMBERS = CHANCE.normal(3, 1, 400)
GUESSES = (NUMBERS + CHANCE.normal(0.5, 1, 400)).reshape(-1, 1)

USUAL = {
    "roc_auc": (BINARY, SCORES, lambda y, p: sk.roc_auc_score(y, p[:, 1])),
    "average_precision": (BINARY, SCORES, lambda y, p: sk.average_precision_score(y, p[:, 1])),
    "accuracy": (CLASSES, MANY, lambda y, p: sk.accuracy_score(y, p.argmax(axis=1))),
    "balanced_accuracy": (CLASSES, MANY, lambda y, p: sk.balanced_accuracy_score(y, p.argmax(axis=1))),
    "macro_f1": (CLASSES, MANY, lambda y, p: sk.f1_score(y, p.argmax(axis=1), average="macro")),
    "log_loss": (CLASSES, MANY, sk.log_loss),
    "brier_score": (BINARY, SCORES, lambda y, p: sk.brier_score_loss(y, p[:, 1])),
    "r2": (NUMBERS, GUESSES, lambda y, p: sk.r2_score(y, p[:, 0])),
    "mse": (NUMBERS, GUESSES, lambda y, p: sk.mean_squared_error(y, p[:, 0])),
    "rmse": (NUMBERS, GUESSES, lambda y, p: sk.root_mean_squared_error(y, p[:, 0])),
    "mae": (NUMBERS, GUESSES, lambda y, p: sk.mean_absolute_error(y, p[:, 0])),
}


@pytest.mark.parametrize("metric", sorted(METRICS | MEANS))
def test_a_metric_is_that_of_scikit_learn(metric) -> None:
    """By definition, on hundreds of rows."""
    outcome, outputs, usual = USUAL[metric]
    assert measure(metric, outcome, outputs) == pytest.approx(usual(outcome, outputs), rel=1e-6)


def test_outcomes_that_do_not_differ_have_no_r2() -> None:
    """There is nothing to explain."""
    assert np.isnan(measure("r2", np.ones(5), np.zeros((5, 1))))
    assert measure("r2", np.array([0.0, 0.5]), np.array([[0.0], [0.5]])) == 1


def test_a_label_that_nobody_chose_counts_as_nought() -> None:
    """The mean over labels is not better for one that is never found."""
    outcome = np.array([0.0, 1, 2])
    outputs = np.eye(3)[[0, 1, 1]]
    assert measure("macro_f1", outcome, outputs) == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_a_sure_error_costs_a_finite_loss() -> None:
    """Probabilities stay a float32 step off nought and one."""
    outputs = np.array([[1.0, 0.0], [0.0, 1.0]])
    step = float(np.finfo("float32").eps)
    assert measure("log_loss", np.array([1.0, 0.0]), outputs) == pytest.approx(-np.log(step))
    assert measure("log_loss", np.array([0.0, 1.0]), outputs) == pytest.approx(-np.log(1 - step))


@pytest.mark.parametrize(("outcome", "rows"), [(1.0, 2), (0.0, 2)])
def test_one_label_alone_has_no_ranking(outcome, rows) -> None:
    """Positives and negatives are both needed; no warning is printed."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isnan(measure("roc_auc", np.full(rows, outcome), SCORES[:rows]))


def test_outputs_that_are_no_numbers_have_no_ranking() -> None:
    """Nor is one guessed from those that are."""
    assert np.isnan(METRICS["roc_auc"](BINARY, np.where(np.arange(400)[:, None] == 7, np.inf, SCORES)))


@pytest.mark.parametrize("metric", ["accuracy", "mae"])
def test_one_row_is_enough_for_a_figure(metric) -> None:
    """Of none there is nothing, and no warning."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one, none = measure(metric, np.ones(1), np.eye(2)[1:]), measure(metric, np.zeros(0), np.zeros((0, 2)))
    assert (1.0, True) == (one, np.isnan(none))


def test_rows_that_do_not_match_are_not_measured() -> None:
    """Fewer outputs than outcomes prove nothing."""
    assert np.isnan(measure("accuracy", BINARY, SCORES[:-1]))
