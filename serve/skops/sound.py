"""Whether what a file says of trees and splines holds together: their code in C follows indices without looking.

skops leaves these types off its own list because a changed file could make them read beyond their arrays.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

Array = npt.NDArray[Any]
LEAF = -1


def unsound(pipeline: Any) -> str | None:
    """Say in a clause what does not hold together in a fitted pipeline; None when all does."""
    seen: set[int] = set()
    judged: set[int] = set()  # trees that their estimator vouched for
    waiting = [pipeline]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        fault = _fault(value, judged)
        if fault:
            return fault
        waiting += _below(value)
    return None


def _below(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from value.values()
    elif isinstance(value, (list, tuple, set)) or (isinstance(value, np.ndarray) and value.dtype == object):
        yield from np.ravel(value) if isinstance(value, np.ndarray) else value
    elif not isinstance(value, type):
        yield from getattr(value, "__dict__", {}).values()


def _fault(value: Any, judged: set[int]) -> str | None:
    """Judge the trees of one estimator by the number of columns that it lets in; and a spline by its knots."""
    if isinstance(value, (Tree, TreePredictor)):
        return None if id(value) in judged else "a tree lies outside of any estimator"
    if isinstance(value, BSpline):
        return _of_spline(value)
    known = {} if isinstance(value, (type, Mapping)) else getattr(value, "__dict__", {})
    width = known.get("n_features_in_")
    single = [known["tree_"]] if isinstance(known.get("tree_"), Tree) else []
    staged = known.get("estimators_")
    if isinstance(staged, np.ndarray):  # gradient boosting hands its columns to the trees past their estimators
        single += [getattr(one, "tree_", None) for one in staged.flat]
    for tree in single:
        judged.add(id(tree))
        if not (isinstance(tree, Tree) and tree.n_features == width and _leads_down(tree)):
            return "a tree's indices do not fit it"
    predictors = [one for several in known.get("_predictors") or () for one in several]
    for one in predictors:
        judged.add(id(one))
        if not (isinstance(one, TreePredictor) and _fits(one, known.get("_bin_mapper"), width)):
            return "a boosted tree's indices do not fit it"
    return None


def _leads_down(tree: Tree) -> bool:
    inner = np.flatnonzero(tree.children_left != LEAF)
    below = np.stack([tree.children_left[inner], tree.children_right[inner]])
    return _forward(inner, below, tree.node_count) and _within(tree.feature[inner], tree.n_features)


def _fits(one: TreePredictor, bins: Any, width: Any) -> bool:
    nodes, sets = one.nodes, one.raw_left_cat_bitsets
    inner = np.flatnonzero(nodes["is_leaf"] == 0)
    split = nodes[inner]
    by_set = split["bitset_idx"][split["is_categorical"] != 0]
    return (
        nodes.ndim == 1
        and np.size(getattr(bins, "is_categorical_", ())) == width
        and _forward(inner, np.stack([split["left"], split["right"]]).astype("int64"), len(nodes))
        and _within(split["feature_idx"], width)
        and (not by_set.size or (sets.shape[1] == 8 and _within(by_set, len(sets))))
    )


def _forward(inner: Array, below: Array, count: int) -> bool:
    """Tell whether there is a node, and both children of each inner one come after it: so every way down ends."""
    return bool(count > 0 and (below > inner).all() and (below < count).all())


def _within(indices: Array, count: int) -> bool:
    return bool((indices >= 0).all() and (indices < count).all())


def _of_spline(spline: BSpline) -> str | None:
    try:
        BSpline(spline._t, spline._c, spline.k, spline.extrapolate)  # which looks at all of them
    except (TypeError, ValueError, AttributeError):
        return "a spline's knots and coefficients do not fit each other"
    return None
