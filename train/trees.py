"""The trees of a graph as bit vectors, for many rows: where it is an ensemble of small trees behind one-hot columns.

What else a graph holds is told as the reason why it has no such form; `serve/trees/ensemble.py` reads and scores it.
"""

import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from serve.trees.columns import LEAVES
from serve.trees.ensemble import TURNS
from train.steps import Feature, NoTreesError, Steps, attributes

REGRESSOR = "TreeEnsembleRegressor"
PREFIXES = {"TreeEnsembleClassifier": "class", REGRESSOR: "target"}  # of the attributes that tell the leaves
SPLITS = {"column": "int32", "tree": "int32", "mask": "int64", "bound": "float32", "missing": "bool"}
LARGEST = 64_000_000  # bytes of the tables in memory: beyond, they cost more than they save


@dataclass
class Ensemble:
    """Trees by number, their leaves from left to right, and what the splits clear: the leaves on the left of each."""

    adds_to: list[int] = field(default_factory=list)  # a tree each: the sum that it adds to
    leaves: list[list[float]] = field(default_factory=list)
    splits: list[tuple[int, int, int, float, bool]] = field(default_factory=list)  # as SPLITS

    def table(self) -> npt.NDArray[np.float32]:
        """Write the leaves side by side, shape (trees, bits)."""
        most = max(map(len, self.leaves))
        bits = next(bits for bits in LEAVES if most < bits)
        padded = np.zeros((len(self.leaves), bits), "float32")
        for number, leaves in enumerate(self.leaves):
            padded[number, : len(leaves)] = leaves
        return padded


def trees_of(content: bytes) -> bytes:
    """Write the trees of a graph with an input a column; the same graph gives the same bytes.

    Raises NoTreesError when it is no ensemble of small trees behind one-hot columns.
    """
    graph = onnx.load_from_string(content).graph
    steps = Steps(graph)
    last = steps.makers.get(graph.output[-1].name)
    while last is not None and last.op_type == "Identity":
        last = steps.makers.get(last.input[0])
    if last is None or last.op_type not in PREFIXES:
        raise NoTreesError(f"the graph ends in {last.op_type if last is not None else 'an input'}, not in trees")
    given = attributes(last)
    if "nodes_values" not in given or given.get("aggregate_function", b"SUM") != b"SUM":
        raise NoTreesError("the trees are averaged, or hold float64")
    turn = given.get("post_transform", b"NONE").decode()
    if turn not in TURNS or (turn == "NONE") != (last.op_type == REGRESSOR):
        raise NoTreesError(f"what turns sums into outputs is {turn}")
    ensemble = _walked(given, PREFIXES[last.op_type], steps.features(last.input[0]))
    sums = max(ensemble.adds_to) + 1
    base = np.array(given.get("base_values") or [0.0] * sums, dtype="float32")
    if len(base) != sums:
        raise NoTreesError(f"it has {len(base)} base values for {sums} sums")
    leaves = ensemble.table()
    _small_enough(ensemble, steps, leaves)
    splits = zip(*ensemble.splits, strict=True) if ensemble.splits else ([],) * len(SPLITS)
    parts: dict[str, Any] = {
        "leaves": leaves,
        "adds_to": np.array(ensemble.adds_to, dtype="int32"),
        "base": base,
        "turn": np.array(turn),
        "values": np.array(json.dumps(steps.values)),
    }
    for (name, kind), column in zip(SPLITS.items(), splits, strict=True):
        parts[name] = np.array(column, dtype=kind)
    file = io.BytesIO()
    np.savez(file, **parts)
    return file.getvalue()


def _walked(given: dict[str, Any], prefix: str, features: Sequence[Feature]) -> Ensemble:
    """Number the leaves of every tree from left to right; the trees of one sum stay in their order."""
    adds_to: dict[int, int] = {}
    weights: dict[tuple[int, int], float] = {}
    told = (given[f"{prefix}_{name}"] for name in ("treeids", "nodeids", "ids", "weights"))
    for tree, node, output, weight in zip(*told, strict=True):
        if adds_to.setdefault(tree, output) != output or (tree, node) in weights:
            raise NoTreesError("a tree has several outputs")
        weights[tree, node] = weight
    kinds = zip(given["nodes_treeids"], given["nodes_modes"], strict=True)
    most = max(Counter(tree for tree, mode in kinds if mode == b"LEAF").values())
    if most >= max(LEAVES):
        # before they are walked: their depth has no bound
        raise NoTreesError(f"a tree has {most} leaves, more than {max(LEAVES) - 1}")
    missing = given.get("nodes_missing_value_tracks_true") or [0] * len(given["nodes_modes"])
    names = ("modes", "featureids", "values", "truenodeids", "falsenodeids")
    keys = zip(given["nodes_treeids"], given["nodes_nodeids"], strict=True)
    nodes = dict(zip(keys, zip(*(given[f"nodes_{name}"] for name in names), missing, strict=True), strict=True))
    roots: dict[int, int] = {}
    for tree, node in nodes:
        roots.setdefault(tree, node)
    ensemble = Ensemble()

    def walk(tree: int, node: int) -> None:
        leaves, number = ensemble.leaves[-1], len(ensemble.leaves) - 1
        mode, feature, bound, left, right, tracked = nodes[tree, node]
        if mode == b"LEAF":
            leaves.append(weights.get((tree, node), 0.0))
            return
        if mode != b"BRANCH_LEQ":
            raise NoTreesError(f"a split compares by {mode.decode()}")
        first = len(leaves)
        walk(tree, left)
        cleared = (1 << len(leaves)) - (1 << first)
        walk(tree, right)
        asked = features[feature]
        if asked.value is not None and not 0 <= bound < 1:
            raise NoTreesError("a split on a category divides nothing")
        mask = ((1 << 63) - 1) & ~cleared
        ensemble.splits.append(
            (asked.column, number, mask, bound if asked.value is None else asked.value, bool(tracked))
        )

    for tree in sorted(adds_to, key=lambda tree: (adds_to[tree], tree)):
        ensemble.adds_to.append(adds_to[tree])
        ensemble.leaves.append([])
        walk(tree, roots[tree])
    return ensemble


def _small_enough(ensemble: Ensemble, steps: Steps, leaves: npt.NDArray[np.float32]) -> None:
    """Raise NoTreesError when the tables of the columns would be too large."""
    bounds = defaultdict(set)
    for column, *_, bound, _missing in ensemble.splits:
        bounds[column].add(bound)
    lines = sum(len(steps.values.get(column, found)) + 2 for column, found in bounds.items())
    held = lines * leaves.size // 8
    if held > LARGEST:
        raise NoTreesError(f"its tables would hold {held / 1e6:,.0f} MB, more than {LARGEST / 1e6:,.0f}")
