"""Trees and splines whose indices lead out of their arrays are refused before a row is scored."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier

from serve.bundle import BundleError
from serve.skops.pipeline import load
from serve.skops.sound import unsound
from tests.serve.skops.conftest import STEPS, fitted, rows, written

TREE, BOOSTED = "a tree's indices do not fit it", "a boosted tree's indices do not fit it"
Change = Callable[[Pipeline], Any]


@pytest.mark.parametrize("name", STEPS)
def test_what_was_fitted_is_sound(name) -> None:
    """Forests, stages, boosting by sets of categories, splines, trees that vote and that are stacked."""
    assert unsound(fitted(name)) is None


def spoil_tree(pipeline: Pipeline, field: str, value: int, leaf: bool = False) -> None:
    """Change a node of a forest's second tree as a file may: through its state."""
    tree = pipeline[-1].estimators_[1].tree_
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    place = np.flatnonzero((nodes["left_child"] == -1) == leaf)[0]
    nodes[field][place] = value
    tree.__setstate__(state | {"nodes": nodes})


def spoil_boosted(pipeline: Pipeline, field: str, value: int, by_set: bool = False) -> None:
    """Change an inner node of a boosted tree."""
    for [one] in pipeline[-1]._predictors:
        places = np.flatnonzero((one.nodes["is_leaf"] == 0) & ((one.nodes["is_categorical"] != 0) == by_set))
        one.nodes[field][places[:1]] = value


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("forest", partial(spoil_tree, field="feature", value=2), TREE),
        ("forest", partial(spoil_tree, field="feature", value=-1), TREE),
        ("forest", partial(spoil_tree, field="feature", value=10**12), TREE),
        ("forest", partial(spoil_tree, field="left_child", value=10**6), TREE),
        ("forest", partial(spoil_tree, field="right_child", value=-5), TREE),
        ("forest", partial(spoil_tree, field="right_child", value=0), TREE),
        ("forest", lambda pipeline: setattr(pipeline[-1].estimators_[0], "n_features_in_", 9), TREE),
        ("stages", lambda pipeline: setattr(pipeline[-1], "n_features_in_", 1), TREE),
        ("stages", lambda pipeline: setattr(pipeline[-1].estimators_[0, 0], "tree_", None), TREE),
        ("categories", partial(spoil_boosted, field="feature_idx", value=3), BOOSTED),
        ("categories", partial(spoil_boosted, field="feature_idx", value=-1), BOOSTED),
        ("categories", partial(spoil_boosted, field="left", value=4_000_000_000), BOOSTED),
        ("categories", partial(spoil_boosted, field="right", value=0), BOOSTED),
        ("categories", partial(spoil_boosted, field="bitset_idx", value=99, by_set=True), BOOSTED),
        ("categories", lambda pipeline: setattr(pipeline[-1]._bin_mapper, "is_categorical_", np.zeros(1)), BOOSTED),
        ("categories", lambda pipeline: setattr(pipeline[-1], "n_features_in_", 7), BOOSTED),
    ],
)
def test_an_index_that_leads_out_is_found(put, name, change: Change, said) -> None:
    """In a tree, past its estimator, back to an earlier node, or in the sets of categories."""
    pipeline = fitted(name)
    change(pipeline)
    assert said == unsound(pipeline)
    with pytest.raises(BundleError, match=f"cannot be loaded: {said}"):
        load(put(written(pipeline)))


def test_what_a_leaf_says_of_columns_is_not_read() -> None:
    """scikit-learn writes -2 there."""
    pipeline = fitted("forest")
    spoil_tree(pipeline, "feature", -2, leaf=True)
    assert unsound(pipeline) is None


def test_a_tree_outside_of_an_estimator_is_refused() -> None:
    """Nobody says how many columns it is given."""
    pipeline = fitted("forest")
    numbers = rows()[["size", "age"]].to_numpy()
    pipeline.steps.append(("stray", DecisionTreeClassifier().fit(numbers, numbers[:, 0] > 5).tree_))
    assert "a tree lies outside of any estimator" == unsound(pipeline)


@pytest.mark.parametrize(
    ("field", "value"),
    [("_t", np.arange(3.0)), ("_c", np.ones((1, 6))), ("k", 40), ("k", -1), ("_t", np.full(10, np.nan)), ("_c", None)],
)
def test_a_spline_that_does_not_hold_together_is_found(field, value) -> None:
    """Knots, coefficients and degree belong together."""
    pipeline = fitted("splines")
    setattr(pipeline[1].bsplines_[0], field, value)
    assert "a spline's knots and coefficients do not fit each other" == unsound(pipeline)
