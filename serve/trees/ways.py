"""How a model scores rows: a few by what runs it, more of them by its trees, where it has them; to the same numbers."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.bundle import BundleError
from serve.coded import Codes, texts_of
from serve.model import SAME, Model, Outputs
from serve.trees.ensemble import FILE, Trees

MANY = 3_200  # rows times trees, from which on trees are the faster way: they cost 60 µs for one row too, a graph 25
log = logging.getLogger("serve.trees")


def opened(model: Model) -> Trees | None:
    """Read the trees of a model; None where it has none, or where they give other bits than its graph on this machine.

    Raises BundleError when they cannot be read, or give a golden row another output than at training.
    """
    if not (model.folder / FILE).is_file():
        return None
    trees = Trees(model.folder / FILE, model.inputs)
    columns = {spec["name"]: [row[spec["name"]] for row in model.golden_rows] for spec in model.inputs}
    scored, expected = trees.score(list(columns.values())), model.golden_outputs
    gap = math.inf
    if scored.shape == expected.shape:
        gap = float(np.abs(scored - expected).max() / model.target.get("range", 1.0))
    if not gap <= SAME:
        raise BundleError(f"{model.folder / FILE} gives a golden row another output than at training (by {gap:g})")
    if not np.array_equal(scored, model.outputs(columns)):
        log.warning("rows are not scored by %s: here it rounds otherwise than onnxruntime", FILE)
        return None
    return trees


class Ways:
    """Scores the rows of requests, on any thread; `texts` are those by which it codes categories, in their order.

    `trees` are the model's, None where it has none; `many` is how many rows, at once, go by them.

    Raises BundleError as `opened`.
    """

    def __init__(self, model: Model) -> None:
        self._model, self.trees = model, opened(model)
        self.many = math.ceil(MANY / self.trees.count) if self.trees else None
        self.texts = self.trees.texts if self.trees else texts_of(model.inputs)
        self._categories = [at for at, spec in enumerate(model.inputs) if spec["type"] != "number"]

    def outputs(
        self, numbers: npt.NDArray[np.float32], columns: Sequence[Sequence[Any]]
    ) -> tuple[Outputs, list[Codes] | None]:
        """Score columns in the order of the inputs, with their block of `Model.numbers`, as `Model.outputs` does.

        Returns the codes of the categories besides, where they were found for it.
        """
        rows = len(columns[0])
        if self.trees is None or self.many is None or rows < self.many:
            return self._model.run(self._model.tensors(numbers, columns)), None
        codes = [texts.codes(columns[at], rows) for at, texts in zip(self._categories, self.texts, strict=True)]
        return self.trees.coded(numbers, codes), codes
