"""A file of the spool as two tables, predictions and feedback; lines that are not whole are left out and counted."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from serve.remembered.lines import FORMAT, read

TIME = pa.timestamp("us", tz="UTC")


class Unreadable(Exception):
    """A file whose header is lost, though records follow: nobody can say what they mean."""


def tables(path: Path) -> tuple[dict[str, pa.Table], int]:
    """Read a file; return its tables by kind, and the count of torn lines. Raises Unreadable."""
    lines = list(read(path))
    whole = [line for line in lines if line is not None]
    torn = len(lines) - len(whole)
    if not whole:
        return {}, torn
    head, *rest = whole
    if head.get("kind") != "segment" or head.get("format") != FORMAT:
        raise Unreadable(f"{path}: its first line is lost, or of another format than {FORMAT}")
    made = {}
    if predictions := [line for line in rest if line["kind"] == "prediction"]:
        made["predictions"] = _predictions(head, predictions)
    if feedback := [line for line in rest if line["kind"] == "feedback"]:
        outcome = pa.float64() if head["target"]["kind"] == "quantity" else _label_type(head)
        made["feedback"] = pa.table({**_stamps(feedback), "outcome": pa.array(_joined(feedback, "outcomes"), outcome)})
    return made, torn


def _predictions(head: dict[str, Any], lines: list[dict[str, Any]]) -> pa.Table:
    outputs = np.array(_joined(lines, "outputs"), dtype="float64")
    columns = {**_stamps(lines), **_scored(head, outputs)}
    for name, kind in head["columns"].items():
        values = [value for line in lines for value in line["columns"][name]]
        columns[name] = pa.array(values, pa.float64() if kind == "number" else pa.string())
    for name, kind in (("model", pa.string()), ("model_version", pa.int64()), ("model_digest", pa.string())):
        columns[name] = pa.array([head[name]] * len(outputs), kind)
    return pa.table(columns)


def _scored(head: dict[str, Any], outputs: Any) -> dict[str, pa.Array]:
    """Write outputs as serve.batch does, a column a field."""
    kind, labels = head["target"]["kind"], head["target"]["labels"]
    if kind == "quantity":
        return {"value": pa.array(outputs[:, 0])}
    best = [labels[place] for place in np.argmax(outputs, axis=1)]  # the earlier label wins a tie, as in the service
    named = {"label": pa.array(best, _label_type(head))}
    if kind == "binary":
        return {**named, "probability": pa.array(outputs[:, 1])}
    return {**named, **{f"probability_{label}": pa.array(outputs[:, place]) for place, label in enumerate(labels)}}


def _stamps(lines: list[dict[str, Any]]) -> dict[str, pa.Array]:
    times = np.array(_joined(lines, "times"), dtype="int64")
    return {"id": pa.array(_joined(lines, "ids"), pa.string()), "time": pa.array(times).cast(TIME)}


def _joined(lines: list[dict[str, Any]], field: str) -> list[Any]:
    return [value for line in lines for value in line[field]]


def _label_type(head: dict[str, Any]) -> pa.DataType:
    return pa.string() if isinstance(head["target"]["labels"][0], str) else pa.int64()
