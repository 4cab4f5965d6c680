"""Differences between groups are those of fairlearn, and their intervals hold them."""

import fairlearn.metrics
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, mean_absolute_error

from validation.measures.disparity import disparity, disparity_interval
from validation.words.bounds import FAIRNESS_METRICS

NAMES = [(kind, metric) for kind, metrics in FAIRNESS_METRICS.items() for metric in metrics]


def drawn(kind: str, n: int = 2000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Outcomes, choices that are right most of the time, and three groups treated unlike each other."""
    chance = np.random.default_rng(3)
    groups = chance.integers(0, 3, n)
    if kind == "quantity":
        outcome = chance.normal(100, 20, n)
        return outcome, outcome + chance.normal(groups, 1 + groups, n), groups
    outcome = chance.integers(0, 2 if kind == "binary" else 4, n).astype("float64")
    other = chance.integers(0, 2 if kind == "binary" else 4, n)
    return outcome, np.where(chance.random(n) < 0.9 - 0.2 * groups, outcome, other), groups


def by_fairlearn(metric, outcome, choice, groups) -> float:
    frame = fairlearn.metrics.MetricFrame(metrics=metric, y_true=outcome, y_pred=choice, sensitive_features=groups)
    return frame.difference()


@pytest.mark.parametrize("metric", FAIRNESS_METRICS["binary"])
def test_binary_metrics_are_fairlearns(metric) -> None:
    """Each is the function of that name, or the difference of a MetricFrame."""
    outcome, choice, groups = drawn("binary")
    if metric == "accuracy_difference":
        wanted = by_fairlearn(accuracy_score, outcome, choice, groups)
    else:
        wanted = getattr(fairlearn.metrics, metric)(outcome, choice, sensitive_features=groups)
    assert pytest.approx(wanted) == disparity(metric, "binary", outcome, choice, groups)


def test_metrics_over_classes_are_fairlearns() -> None:
    """Demographic parity is that of the label on which the groups differ most."""
    outcome, choice, groups = drawn("classes")
    each = [
        by_fairlearn(lambda _, chosen, at=label: (chosen == at).mean(), outcome, choice, groups) for label in range(4)
    ]
    assert pytest.approx(max(each)) == disparity("demographic_parity_difference", "classes", outcome, choice, groups)
    accuracy = by_fairlearn(accuracy_score, outcome, choice, groups)
    assert pytest.approx(accuracy) == disparity("accuracy_difference", "classes", outcome, choice, groups)


def test_metrics_of_a_quantity_are_differences_of_means() -> None:
    """Mean absolute error, mean of prediction minus outcome, mean prediction: largest minus smallest over groups."""
    outcome, choice, groups = drawn("quantity")
    wanted = {
        "mean_absolute_error_difference": by_fairlearn(mean_absolute_error, outcome, choice, groups),
        "mean_error_difference": by_fairlearn(lambda true, given: (given - true).mean(), outcome, choice, groups),
        "mean_prediction_difference": by_fairlearn(lambda _, given: given.mean(), outcome, choice, groups),
    }
    assert set(wanted) == set(FAIRNESS_METRICS["quantity"])
    for metric, value in wanted.items():
        assert pytest.approx(value) == disparity(metric, "quantity", outcome, choice, groups)


def test_a_label_that_only_predictions_hold_counts() -> None:
    """Over classes, the difference is the largest over every label that is given or chosen."""
    outcome = np.array([0.0, 1.0] * 50)
    groups = np.repeat([0, 1], 50)
    choice = outcome.copy()
    choice[:15] = 2
    assert pytest.approx(0.3) == disparity("demographic_parity_difference", "classes", outcome, choice, groups)


@pytest.mark.parametrize(("kind", "metric"), NAMES)
def test_more_rows_narrow_the_interval(kind, metric) -> None:
    """Ninefold rows make it about a third as wide."""
    wide, narrow = (
        np.ptp(disparity_interval(metric, kind, *(np.tile(each, times) for each in drawn(kind, 1000)), seed=1))
        for times in (1, 9)
    )
    assert 0.2 * wide < narrow < 0.6 * wide


def test_a_draw_without_a_value_leaves_no_interval() -> None:
    """Two positives in a group: a draw may hold none, and then nothing bounds the true positive rate."""
    outcome, groups = np.zeros(100), np.repeat(["a", "b"], 50)
    outcome[[0, 1, 50, 51]] = 1
    ends = disparity_interval("equal_opportunity_difference", "binary", outcome, outcome, groups, seed=1)
    assert np.isnan(ends).all()
