"""Seal a fitted pipeline into the folder that is the model: its digest is the model's identity.

The folder holds neither version nor run: model.onnx or model.skops, contract.json (what goes in, what comes out),
trees.npz (where the graph is small trees, the same for many rows), golden.json (rows made up from the contract, with
the outputs of service and pipeline), drift.json (binned counts of the training rows) and outputs.parquet (what the
pipeline gave on every test row, as it is and altered; it stays in the registry, it is never shipped).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow
import pyarrow.parquet
from sklearn.pipeline import Pipeline

from serve.bundle import seal
from serve.model import Model
from serve.trees.ensemble import FILE, Trees
from serve.words import ONNX, SKOPS
from train.data import Parts, as_columns, model_inputs
from train.edges import altered, golden_rows
from train.forms import Form, form_of
from train.steps import NoTreesError
from train.trees import trees_of
from validation.contract import Config
from validation.script import Refusal, log, to_json
from validation.words.columns import Number, Quantity

DRIFT_BINS = 10
RARE = 20  # a category of fewer training rows is counted with the others: nobody is named by a count


def contract_of(config: Config) -> dict[str, Any]:
    """Describe inputs and target for the service, as JSON."""
    inputs: list[dict[str, Any]] = []
    for column in config.inputs:
        if isinstance(column, Number):
            limits = {"low": column.low, "high": column.high, "integer": column.integer, "unit": column.unit}
            inputs.append({"name": column.name, "type": "number", "missing": column.missing, **limits})
        else:
            values = {"values": list(column.values), "unseen": column.unseen, "fold": column.fold}
            inputs.append({"name": column.name, "type": "category", "missing": column.missing, **values})
    target: dict[str, Any] = {
        "name": config.target.name,
        "kind": config.target.kind,
        "labels": list(config.target.labels),
    }
    if isinstance(config.target, Quantity):
        target |= {"unit": config.target.unit, "range": config.target.high - config.target.low}
    return {"inputs": inputs, "target": target}


def fitted_outputs(pipeline: Pipeline, rows: pd.DataFrame, config: Config) -> npt.NDArray[np.float64]:
    """Score model inputs with the fitted pipeline: shape (rows, labels), or (rows, 1) for a quantity."""
    if config.target.kind == "quantity":
        return np.asarray(pipeline.predict(rows), dtype="float64").reshape(-1, 1)
    return np.asarray(pipeline.predict_proba(rows), dtype="float64")


def seal_model(folder: Path, pipeline: Pipeline, parts: Parts, config: Config) -> tuple[str, Form]:
    """Write the model folder and seal it; return its digest, and the form in which the model serves.

    Raises Refusal when the pipeline has no form that serves, or what serves and the pipeline disagree by more than
    PARITY, or on one label, anywhere.
    """
    form = form_of(pipeline, config)
    form.write(folder)
    (folder / "contract.json").write_text(to_json(contract_of(config)))
    rows, kinds = golden_rows(config)
    golden = pd.DataFrame(rows, columns=[column.name for column in config.inputs]).astype("object")
    fitted_golden = fitted_outputs(pipeline, model_inputs(golden.where(golden.notna(), np.nan), config.inputs), config)
    content = {"rows": rows, "kinds": kinds, "outputs": [], "fitted": fitted_golden.tolist()}
    (folder / "golden.json").write_text(to_json(content))
    test = model_inputs(parts.test, config.inputs)
    fitted = fitted_outputs(pipeline, test, config)
    seal(folder)
    model = Model(folder)
    served_golden = model.outputs(as_columns(golden))
    prove(model, served_golden, fitted_golden, "the golden rows", config)
    prove(model, model.outputs(as_columns(test)), fitted, "the test rows", config)
    outputs = {"output": fitted}
    seen = [as_columns(golden), as_columns(test)]
    for kind, rows_altered in altered(test, config).items():
        outputs[kind] = fitted_outputs(pipeline, rows_altered, config)
        seen.append(as_columns(rows_altered))
        served = model.outputs(seen[-1])
        prove(model, served, outputs[kind], f"the test rows with a value {kind}", config)
    if form.runtime == ONNX:
        write_trees(folder / FILE, form.content, model, seen)
    (folder / "golden.json").write_text(to_json(content | {"outputs": served_golden.tolist()}))
    (folder / "drift.json").write_text(to_json(drift_reference(model, parts.train, config)))
    write_outputs(folder / "outputs.parquet", parts.test.index, outputs)
    return seal(folder), form


def write_trees(file: Path, graph: bytes, model: Model, seen: Sequence[Mapping[str, npt.NDArray[Any]]]) -> None:
    """Write the trees of a graph, where it has that form and they give on all rows `seen` what it gives, bit by bit."""
    try:
        file.write_bytes(trees_of(graph))
        trees = Trees(file, model.inputs)
        names = [spec["name"] for spec in model.inputs]
        pairs = ((trees.score([columns[name] for name in names]), model.outputs(columns)) for columns in seen)
        if not all(np.array_equal(scored, expected) for scored, expected in pairs):
            file.unlink()
            raise NoTreesError("as trees it gives other outputs")
    except NoTreesError as reason:
        log(f"many rows are scored by onnxruntime, not by trees, which would be several times faster: {reason}")


def prove(model: Model, served: npt.NDArray[Any], fitted: npt.NDArray[Any], where: str, config: Config) -> None:
    """Raise Refusal unless service and pipeline agree within PARITY and on every label."""
    if served.shape != fitted.shape or (model.labels and served.shape[1] != len(model.labels)):
        raise Refusal(f"train/model.py: the pipeline gives outputs of shape {fitted.shape}, the service {served.shape}")
    gap = np.abs(served - fitted) / model.target.get("range", 1.0)
    flipped = int((model.choices(served) != model.choices(fitted)).sum())
    if not (gap.size and np.isfinite(gap).all() and gap.max() <= config.parity and flipped == 0):
        worst = gap.max() if np.isfinite(gap).all() and gap.size else float("nan")
        form, way = ("ONNX", f'that converts exactly, or set runtime="{SKOPS}" in MODEL')
        if model.runtime != ONNX:
            form, way = ("skops", "whose outputs hang on nothing but its inputs")
        raise Refusal(
            f"train/model.py: {form} and scikit-learn disagree on {where}: by {worst:.3g} at most (PARITY allows"
            f" {config.parity:g}), {flipped} labels differ; build a pipeline {way}"
        )


def drift_reference(model: Model, frame: pd.DataFrame, config: Config) -> dict[str, Any]:
    """Count the training rows by bin, value and missing, a column each, and the outputs by twentieths."""
    columns: dict[str, Any] = {}
    for column in config.inputs:
        present = frame[column.name].dropna()
        counted: dict[str, Any] = {"missing": len(frame) - len(present)}
        if isinstance(column, Number):
            numbers = present.to_numpy("float64")
            edges = (
                np.unique(np.quantile(numbers, np.linspace(0, 1, DRIFT_BINS + 1))[1:-1])
                if numbers.size
                else np.array([])
            )
            places = np.searchsorted(edges, numbers, side="right")
            counted |= {"edges": edges.tolist(), "counts": np.bincount(places, minlength=len(edges) + 1).tolist()}
        else:
            counts = present.value_counts().sort_index()
            counted["counts"] = {str(value): int(count) for value, count in counts.items() if count >= RARE}
            counted["other"] = int(counts[counts < RARE].sum())
        columns[column.name] = counted
    inputs = model_inputs(frame, config.inputs)
    scores = model.outputs(as_columns(inputs))[:, -1]
    low, high = (config.target.low, config.target.high) if isinstance(config.target, Quantity) else (0.0, 1.0)
    histogram, edges = np.histogram(np.clip(scores, low, high), bins=20, range=(low, high))
    return {"rows": len(frame), "columns": columns, "outputs": {"edges": edges.tolist(), "counts": histogram.tolist()}}


def write_outputs(path: Path, rows: "pd.Index[Any]", outputs: dict[str, npt.NDArray[np.float64]]) -> None:
    """Write outputs by row digest, float64, sorted, so that the same outputs give the same bytes.

    Each set of outputs, shape (rows, labels), becomes the columns `<set>_0`, `<set>_1` and so on.
    """
    columns = {"row": pyarrow.array(rows.astype("str").tolist(), pyarrow.string())}
    for name, values in outputs.items():
        columns |= {f"{name}_{place}": pyarrow.array(values[:, place]) for place in range(values.shape[1])}
    pyarrow.parquet.write_table(pyarrow.table(columns).sort_by("row"), path, compression="zstd")
