"""What the report draws is what the rows say."""

import json
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import auc

from train.data import outcomes
from validation.judged import Judged
from validation.measures.curves import POINTS, curves, wilson
from validation.words.columns import Quantity


@pytest.fixture
def judged(rows, config) -> Judged:
    outcome = outcomes(rows, config)
    scores = 1 / (1 + np.exp(-(2 * outcome - 1 + np.random.default_rng(0).normal(0, 1, len(outcome)))))
    return Judged(None, rows, rows, outcome, np.column_stack([1 - scores, scores]))


def test_the_curve_has_the_area_of_the_metric(judged, config) -> None:
    """Thinned to few points, the curve still encloses the ROC AUC."""
    drawn = curves(judged, judged, config)
    [area] = [one["candidate"] for one in drawn["metrics"] if one["metric"] == "roc_auc"]
    for model in ("candidate", "champion"):
        points = drawn["curves"][model]["roc"]
        assert len(points) <= POINTS
        assert [[0, 0], [1, 1]] == [points[0], points[-1]]
        assert area == pytest.approx(auc(*zip(*points, strict=True)), abs=0.005)
    json.dumps(drawn, allow_nan=False)


def test_bins_and_thresholds_count_every_row(judged, config) -> None:
    """Tenths of the rows in order of the score; nine thresholds; a table of true and chosen labels."""
    drawn = curves(judged, None, config)
    bins = drawn["calibration"]["candidate"]
    assert len(judged.outcome) == sum(one["n"] for one in bins)
    assert all(one["low"] <= one["share"] <= one["high"] for one in bins)
    assert sorted(one["mean"] for one in bins) == [one["mean"] for one in bins]
    assert 9 == len(drawn["thresholds"])
    half = drawn["thresholds"][4]
    chosen = judged.outputs[:, 1] >= 0.5
    assert half["accuracy"] == pytest.approx((chosen == (judged.outcome == 1)).mean(), abs=1e-5)
    assert half["precision"] == pytest.approx(judged.outcome[chosen].mean(), abs=1e-5)
    assert len(judged.outcome) == np.sum(drawn["confusion"]["counts"])
    assert "champion" not in drawn["curves"]


def test_a_quantity_has_residuals(judged, config) -> None:
    """By tenths of the prediction: the quantiles of what it missed."""
    rent = Quantity("rent", low=0, high=10)
    number = object.__new__(type(config))
    number.__dict__.update(vars(config) | {"target": rent})
    predicted = np.linspace(0, 10, len(judged.outcome))
    missed = replace(judged, outcome=predicted + 1.0, outputs=predicted.reshape(-1, 1))
    drawn = curves(missed, None, number)
    assert {1.0} == {round(one[name], 4) for one in drawn["residuals"] for name in ("low", "median", "high")}
    assert {"metrics", "residuals"} == set(drawn)


def test_outputs_that_are_no_numbers_are_not_drawn(judged, config) -> None:
    """There is nothing to see, and the report still comes."""
    spoilt = replace(judged, outputs=np.full_like(judged.outputs, np.nan))
    assert {"metrics"} == set(curves(spoilt, None, config))
    assert all(one["candidate"] is None for one in curves(spoilt, None, config)["metrics"])


def test_wilsons_interval_is_the_textbooks() -> None:
    """One hit in ten: 1.8 % to 40.4 %; none: from nought."""
    assert wilson(1, 10) == pytest.approx((0.0179, 0.4042), abs=1e-4)
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == pytest.approx(1)
