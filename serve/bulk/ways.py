"""How a model scores a chunk: by its trees, where it has them, or by what serves it; to the same numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.bulk.checks import Categories, Columns
from serve.loaded import Bundle
from serve.model import Model, Outputs
from serve.trees.ensemble import Trees

SCORED_TOGETHER = 8_192  # rows computed at once: a graph's one-hot matrix stays in the processor's cache
Rows = npt.NDArray[np.intp] | None  # places of the rows to score, None for all of a chunk
Way = Callable[[Columns, Rows], Outputs]


def way_of(bundle: Bundle) -> Way:
    """Choose how to score."""
    model, trees = bundle.model, bundle.ways.trees
    if trees is None:
        return lambda columns, rows: _served(model, columns, rows)
    return lambda columns, rows: chunk_by_trees(trees, model, columns, rows)


def chunk_by_trees(trees: Trees, model: Model, columns: Columns, rows: Rows) -> Outputs:
    """Score the rows of a chunk by trees."""
    places = []
    for at, spec in enumerate(model.inputs):
        values, coded = _source(columns[spec["name"]], rows)
        found = trees.places(at, values)
        places.append(found if coded is None else found[coded])
    return trees.outputs(places)


def _served(model: Model, columns: Columns, rows: Rows) -> Outputs:
    """Score the rows of a chunk by the service's own code: a category's tensor is of its values, once, with places."""
    tensors = []
    for at, spec in enumerate(model.inputs):
        values, coded = _source(columns[spec["name"]], rows)
        tensors.append((model.tensor(values, at), coded))
    found = [np.empty((0, max(1, len(model.labels))), "float32")]
    for start in range(0, max(len(values if coded is None else coded) for values, coded in tensors), SCORED_TOGETHER):
        some = slice(start, start + SCORED_TOGETHER)
        found.append(model.run([values[some] if coded is None else values[coded[some]] for values, coded in tensors]))
    return np.concatenate(found)


def _source(column: Any, rows: Rows) -> tuple[Any, npt.NDArray[Any] | None]:
    """Take the values of a column; a category's are each once, with the place of each row's."""
    if isinstance(column, Categories):
        return column.values, column.places if rows is None else column.places[rows]
    return column.values if rows is None else column.values[rows], None
