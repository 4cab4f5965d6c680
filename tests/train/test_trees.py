"""Trees as bit vectors give what their graph gives, bit by bit; what has no such form says why."""

import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from serve.bundle import BundleError
from serve.model import Model
from serve.trees.ensemble import Trees
from train.bundle import write_trees
from train.steps import NoTreesError
from train.trees import trees_of

INPUTS = (
    {"name": "share", "type": "number", "low": -1e9, "high": 1e9, "integer": False},
    {"name": "town", "type": "category", "values": []},
    {"name": "count", "type": "number", "low": -3, "high": 40, "integer": True},
    {"name": "cents", "type": "number", "low": 0, "high": 10**9, "integer": True},
    {"name": "kind", "type": "category", "values": []},
)
NAMES = [spec["name"] for spec in INPUTS]
TEXTS = ["town", "kind"]
ROWS = 1_500


def rows(count: int, seed: int, missing: bool = True, unseen: bool = False) -> pd.DataFrame:
    """Make up rows: numbers of any kind, missing ones, texts in any script, and some that were never seen."""
    draw = np.random.default_rng(seed)
    towns, kinds = np.array(["Köln", "東京", "a\x00b", "", " x"], dtype=object), np.array(["p", "q"], dtype=object)
    frame = pd.DataFrame({
        "share": draw.normal(size=count) * 10.0 ** draw.integers(-3, 4, count),
        "town": towns[draw.integers(0, len(towns), count)],
        "count": draw.integers(-3, 41, count).astype("float64"),
        "cents": draw.integers(0, 10**9, count).astype("float64"),
        "kind": kinds[draw.integers(0, 2, count)],
    })  # fmt: skip
    for name in ("share", "count", "cents") if missing else ():
        frame.loc[draw.random(count) < 0.1, name] = np.nan
    for name in TEXTS if unseen else ():
        frame.loc[draw.random(count) < 0.1, name] = "never seen"
    return frame.astype(dict.fromkeys(("share", "count", "cents"), "float32"))


def fitted(
    estimator: object, frame: pd.DataFrame, labels: int, scaled: bool = False, names: Sequence[str] = NAMES
) -> bytes:
    """Fit an estimator on columns, texts one-hot, to so many labels (0: a quantity); return its graph."""
    draw = np.random.default_rng(7)
    signal = frame["count"].fillna(9) / 9 + (frame["town"] == "東京") * 2 + np.sign(frame["share"].fillna(0.5))
    signal = signal + (frame["kind"] == "p") * (frame["cents"].fillna(0) > 4e8) + draw.normal(size=len(frame)) / 2
    target = signal if labels == 0 else pd.qcut(signal, labels, labels=False)
    others = StandardScaler() if scaled else "passthrough"
    texts = [name for name in names if name in TEXTS]
    encode = ColumnTransformer(
        [("texts", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts)], remainder=others
    )
    pipeline = Pipeline([("encode", encode), ("estimator", estimator)]).fit(frame[list(names)], target)
    types = [(name, (StringTensorType if name in TEXTS else FloatTensorType)([None, 1])) for name in names]
    options = {id(pipeline): {"zipmap": False}} if labels else {}
    return bytes(convert_sklearn(pipeline, "m", types, options=options).SerializeToString())


def by_graph(graph: bytes, frame: pd.DataFrame, names: Sequence[str] = NAMES) -> np.ndarray:
    """Score rows by onnxruntime, as the service has it."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # with more of them the sums of one row are added up in another order
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feeds = {name: frame[name].to_numpy().reshape(-1, 1) for name in names}
    return session.run([session.get_outputs()[-1].name], feeds)[0].reshape(len(frame), -1)


def by_trees(trees: Trees, frame: pd.DataFrame, names: Sequence[str] = NAMES) -> np.ndarray:
    """Score rows by bit vectors."""
    return trees.outputs([trees.places(at, frame[name].to_numpy()) for at, name in enumerate(names)])


@pytest.mark.parametrize(
    ("estimator", "labels", "missing"),
    [
        (HistGradientBoostingClassifier(max_iter=30), 2, True),
        (HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=32, min_samples_leaf=1), 2, True),
        (HistGradientBoostingClassifier(max_iter=8, max_leaf_nodes=63, min_samples_leaf=1), 2, True),
        (HistGradientBoostingClassifier(max_iter=12), 4, True),
        (HistGradientBoostingRegressor(max_iter=30), 0, True),
        (HistGradientBoostingRegressor(max_iter=3, max_leaf_nodes=2), 0, True),
        (HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=ROWS), 0, True),
        (GradientBoostingClassifier(n_estimators=20), 2, False),
        (GradientBoostingClassifier(n_estimators=8), 3, False),
        (GradientBoostingRegressor(n_estimators=20), 0, False),
    ],
    ids=lambda value: None if isinstance(value, bool | int) else f"{type(value).__name__}",
)
def test_the_outputs_are_the_graphs_to_the_bit(tmp_path, estimator, labels, missing) -> None:
    """On rows that it was not fitted on, in blocks that do not divide them, with values that it never saw."""
    graph = fitted(estimator, rows(ROWS, 1, missing), labels)
    (tmp_path / "trees.npz").write_bytes(trees_of(graph))
    trees = Trees(tmp_path / "trees.npz", INPUTS)
    for count in (20_011, 1_001, 7, 3, 2, 1):
        frame = rows(count, count, missing, unseen=True)
        expected, found = by_graph(graph, frame), by_trees(trees, frame)
        assert (expected.shape, "float32") == (found.shape, found.dtype)
        assert np.array_equal(expected, found), count
    assert (0, max(labels, 1)) == by_trees(trees, rows(0, 4)).shape


@pytest.mark.parametrize(
    "names",
    [["town"], ["share"], ["town", "kind"], ["share", "count", "cents"], ["count", "kind"], ["kind", "share", "town"]],
    ids="-".join,
)
def test_any_mix_of_columns(tmp_path, names) -> None:
    """The converter writes one column of a kind in another way than several."""
    graph = fitted(HistGradientBoostingClassifier(max_iter=20), rows(ROWS, 1), 2, names=names)
    (tmp_path / "trees.npz").write_bytes(trees_of(graph))
    trees = Trees(tmp_path / "trees.npz", [INPUTS[NAMES.index(name)] for name in names])
    frame = rows(3_001, 2, unseen=True)
    assert np.array_equal(by_graph(graph, frame, names), by_trees(trees, frame, names))


def test_a_number_on_a_bound_goes_where_the_graph_sends_it(tmp_path) -> None:
    """And so do the numbers next to it, and the contract's limits."""
    graph = fitted(HistGradientBoostingClassifier(max_iter=20), rows(ROWS, 1), 2)
    (tmp_path / "trees.npz").write_bytes(trees_of(graph))
    trees = Trees(tmp_path / "trees.npz", INPUTS)
    bounds = np.load(tmp_path / "trees.npz")
    for at, name in ((0, "share"), (2, "count"), (3, "cents")):
        found = np.unique(bounds["bound"][bounds["column"] == at])
        around = np.concatenate([found, *(np.nextafter(found, np.float32(to)) for to in (-np.inf, np.inf))])
        if INPUTS[at]["integer"]:
            around = np.unique(np.round(around))
        frame = rows(len(around) + 2, 5)
        frame[name] = np.array([*around, INPUTS[at]["low"], INPUTS[at]["high"]], "float32")
        assert np.array_equal(by_graph(graph, frame), by_trees(trees, frame)), name


@pytest.mark.parametrize("low", [-(2**30), 2**24 - 50, 2**30 + 1])
def test_whole_numbers_that_float32_does_not_hold_go_where_the_graph_sends_them(tmp_path, low) -> None:
    """As seconds since 1970: a table of places would put one number in the place of the next."""
    frame = rows(ROWS, 1)
    frame["count"] = (low + np.random.default_rng(1).integers(0, 5_000, ROWS)).astype("float32")
    graph = fitted(HistGradientBoostingClassifier(max_iter=20), frame, 2)
    (tmp_path / "trees.npz").write_bytes(trees_of(graph))
    inputs = [spec | {"low": low, "high": low + 5_000} if spec["name"] == "count" else spec for spec in INPUTS]
    asked = rows(5_001, 2)
    asked["count"] = (low + np.arange(5_001)).astype("float32")
    assert np.array_equal(by_graph(graph, asked), by_trees(Trees(tmp_path / "trees.npz", inputs), asked))


def test_threads_share_what_they_work_in_and_nothing_else(tmp_path) -> None:
    """As batch scores chunks: many at once, each of its own size."""
    graph = fitted(HistGradientBoostingClassifier(max_iter=30), rows(ROWS, 1), 2)
    (tmp_path / "trees.npz").write_bytes(trees_of(graph))
    trees = Trees(tmp_path / "trees.npz", INPUTS)
    frames = [rows(500 + 37 * number, number, unseen=True) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda frame: by_trees(trees, frame), frames))
    assert all(np.array_equal(by_graph(graph, frame), one) for frame, one in zip(frames, found, strict=True))


def test_the_same_graph_gives_the_same_bytes() -> None:
    """They are sealed with the model, whose digest is its identity."""
    graph = fitted(HistGradientBoostingClassifier(max_iter=3), rows(ROWS, 1), 2)
    assert trees_of(graph) == trees_of(graph)


@pytest.mark.parametrize(
    ("estimator", "scaled", "reason"),
    [
        (LogisticRegression(), False, "the graph ends in"),
        (RandomForestClassifier(n_estimators=3, max_leaf_nodes=8), False, "turns sums into outputs is NONE"),
        (HistGradientBoostingClassifier(max_iter=2, max_leaf_nodes=64, min_samples_leaf=1), False, "64 leaves, more"),
        (HistGradientBoostingClassifier(max_iter=2), True, "a step before the trees is"),
    ],
    ids=["linear", "forest", "large trees", "scaled"],
)
def test_what_is_no_ensemble_of_small_trees_says_why(estimator, scaled, reason) -> None:
    """Batches of it are scored by onnxruntime."""
    graph = fitted(estimator, rows(ROWS, 1, missing=False), 2, scaled)
    with pytest.raises(NoTreesError, match=reason):
        trees_of(graph)


def changed(graph: bytes, **attributes: object) -> bytes:
    """Write other attributes into the trees of a graph: values, or functions of those that are there."""
    model = onnx.load_from_string(graph)
    trees = next(node for node in model.graph.node if node.op_type.startswith("TreeEnsemble"))
    given = {one.name: onnx.helper.get_attribute_value(one) for one in trees.attribute}
    for name, value in attributes.items():
        given[name] = value(given[name]) if callable(value) else value
    del trees.attribute[:]
    trees.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in given.items())
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("attributes", "reason"),
    [
        ({"aggregate_function": "AVERAGE"}, "the trees are averaged"),
        ({"post_transform": "PROBIT"}, "what turns sums into outputs is PROBIT"),
        ({"base_values": [0.0, 1.0]}, "2 base values for 1 sums"),
        ({"nodes_modes": lambda modes: [mode.replace(b"LEQ", b"LT") for mode in modes]}, "compares by BRANCH_LT"),
        ({"nodes_values": lambda values: [value + 9 for value in values]}, "a split on a category divides nothing"),
        ({"class_ids": lambda ids: [0, 1, *ids[2:]]}, "a tree has several outputs"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_what_trees_may_be_besides_says_why(attributes, reason) -> None:
    """No converter of ours writes these; another one may."""
    graph = fitted(HistGradientBoostingClassifier(max_iter=3), rows(ROWS, 1), 2)
    trees_of(changed(graph))
    with pytest.raises(NoTreesError, match=reason):
        trees_of(changed(graph, **attributes))


def test_tables_that_would_be_too_large_are_none(monkeypatch) -> None:
    """As of a category with very many values."""
    monkeypatch.setattr("train.trees.LARGEST", 100)
    with pytest.raises(NoTreesError, match="its tables would hold 0 MB, more than 0"):
        trees_of(fitted(HistGradientBoostingClassifier(max_iter=3), rows(ROWS, 1), 2))


@pytest.mark.parametrize("content", [b"", b"no archive", "cut", "a part is missing"])
def test_a_file_that_is_none_is_told(tmp_path: Path, content: bytes | str) -> None:
    """By its name."""
    file = tmp_path / "trees.npz"
    whole = trees_of(fitted(HistGradientBoostingClassifier(max_iter=2), rows(ROWS, 1), 2))
    file.write_bytes(whole)
    if content == "cut":
        file.write_bytes(whole[:-100])
    elif content == "a part is missing":
        with np.load(file) as held:
            np.savez(file, **{name: held[name] for name in held.files if name != "mask"})
    else:
        file.write_bytes(content)
    with pytest.raises(BundleError, match=r"trees.npz cannot be read as trees"):
        Trees(file, INPUTS)


@pytest.mark.parametrize("off", [False, True])
def test_training_keeps_only_trees_that_give_what_the_graph_gives(chain, tmp_path, monkeypatch, capsys, off) -> None:
    """One bit in one leaf is another model: batches are then scored by onnxruntime, and the log says so."""
    model = Model(chain.root / "build/model/model")
    graph = (chain.root / "build/model/model/model.onnx").read_bytes()
    file = tmp_path / "trees.npz"
    columns = {spec["name"]: [row[spec["name"]] for row in model.golden_rows] for spec in model.inputs}

    def one_bit_off(content: bytes) -> bytes:
        with np.load(io.BytesIO(trees_of(content))) as held:
            parts = {name: held[name] for name in held.files}
        parts["leaves"] = np.nextafter(parts["leaves"], np.float32(1))
        changed = io.BytesIO()
        np.savez(changed, **parts)
        return changed.getvalue()

    if off:
        monkeypatch.setattr("train.bundle.trees_of", one_bit_off)
    write_trees(file, graph, model, [columns])
    assert off != file.exists()
    said = "many rows are scored by onnxruntime, not by trees, which would be several times faster: as trees it gives"
    assert off == (said in capsys.readouterr().err)
