"""What the spool holds: a header that explains a file to whoever has no bundle, then lines of predictions and feedback.

A line holds up to LINE_ROWS rows, column by column: what a torn one loses is bounded.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from serve.loaded import Bundle
from serve.remembered.ids import sample
from serve.remembered.lines import FORMAT, encode

LINE_ROWS = 2048


def header(bundle: Bundle, columns: Sequence[str]) -> bytes:
    """Write the first line of a file."""
    target = {"kind": bundle.model.target["kind"], "labels": bundle.model.labels}
    types = {spec["name"]: spec["type"] for spec in bundle.model.inputs}
    release = {name: bundle.release[name] for name in ("model", "model_version", "model_digest")}
    told = {"columns": {name: types[name] for name in columns}, "target": target}
    return encode({"kind": "segment", "format": FORMAT, **release, **told})


def predictions(batches: Sequence[Any], columns: dict[str, int], rate: float) -> tuple[bytes, int]:
    """Write the rows of batches that are chosen, as lines; return how many they are too."""
    if not batches or not rate:
        return b"", 0
    marks = [mark for *_, each, _ in batches for mark in each]
    places, ids = sample(marks, rate)
    if not ids:
        return b"", 0
    outputs = np.concatenate([each for _, each, _, _ in batches])[places].tolist()
    times = np.repeat([time for *_, time in batches], [len(each) for _, each, _, _ in batches])[places].tolist()
    chosen = places.tolist()
    values = {}
    for name, place in columns.items():
        column = list(chain.from_iterable(each[place] for each, *_ in batches))
        values[name] = [column[row] for row in chosen]
    lines = []
    for start in range(0, len(ids), LINE_ROWS):
        some = slice(start, start + LINE_ROWS)
        line = {"kind": "prediction", "ids": ids[some], "times": times[some], "outputs": outputs[some]}
        lines.append(encode(line | {"columns": {name: column[some] for name, column in values.items()}}))
    return b"".join(lines), len(ids)


def feedback(told: Sequence[tuple[Sequence[str], Sequence[Any], int]]) -> bytes:
    """Write feedback as a line."""
    if not told:
        return b""
    ids = [each for some, _, _ in told for each in some]
    outcomes = [each for _, some, _ in told for each in some]
    times = [time for some, _, time in told for _ in some]
    return encode({"kind": "feedback", "ids": ids, "times": times, "outcomes": outcomes})
