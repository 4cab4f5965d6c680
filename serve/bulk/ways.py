"""How a model scores a chunk: by its trees, where it has them, or by what serves it; to the same numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.bulk.checks import Categories, Columns
from serve.bulk.trees import FILE, Trees, by_trees
from serve.bundle import BundleError
from serve.model import SAME, Model, Outputs

SCORED_TOGETHER = 8_192  # rows computed at once: a graph's one-hot matrix stays in the processor's cache
Rows = npt.NDArray[np.intp] | None  # places of the rows to score, None for all of a chunk
Way = Callable[[Columns, Rows], Outputs]


def way_of(model: Model) -> Way:
    """Choose how to score.

    Raises BundleError when the model's trees cannot be read, or give other outputs than at training.
    """
    if not (model.folder / FILE).is_file():
        return lambda columns, rows: _served(model, columns, rows)
    trees = Trees(model.folder / FILE, model.inputs)
    golden = {spec["name"]: [row[spec["name"]] for row in model.golden_rows] for spec in model.inputs}
    scored, expected = by_trees(trees, model, golden), model.golden_outputs
    gap = math.inf
    if scored.shape == expected.shape:
        gap = float(np.abs(scored - expected).max() / model.target.get("range", 1.0))
    if not gap <= SAME:
        raise BundleError(f"{model.folder / FILE} gives a golden row another output than at training (by {gap:g})")
    return lambda columns, rows: chunk_by_trees(trees, model, columns, rows)


def chunk_by_trees(trees: Trees, model: Model, columns: Columns, rows: Rows) -> Outputs:
    """Score the rows of a chunk by trees."""
    places = []
    for at, (values, coded) in enumerate(_sources(model, columns, rows)):
        found = trees.places(at, values)
        places.append(found if coded is None else found[coded])
    return trees.outputs(places)


def _served(model: Model, columns: Columns, rows: Rows) -> Outputs:
    sources = _sources(model, columns, rows)
    found = [np.empty((0, max(1, len(model.labels))), "float32")]
    for start in range(0, max(len(values if coded is None else coded) for values, coded in sources), SCORED_TOGETHER):
        some = slice(start, start + SCORED_TOGETHER)
        found.append(model.run([values[some] if coded is None else values[coded[some]] for values, coded in sources]))
    return np.concatenate(found)


def _sources(model: Model, columns: Columns, rows: Rows) -> list[tuple[npt.NDArray[Any], npt.NDArray[Any] | None]]:
    """Make the tensor of each column, by the service's own code: a category's is of its values, once, with places."""
    made: list[tuple[npt.NDArray[Any], npt.NDArray[Any] | None]] = []
    for at, spec in enumerate(model.inputs):
        column = columns[spec["name"]]
        if isinstance(column, Categories):
            made.append((model.tensor(column.values, at), column.places if rows is None else column.places[rows]))
        else:
            made.append((model.tensor(column.values if rows is None else column.values[rows], at), None))
    return made
