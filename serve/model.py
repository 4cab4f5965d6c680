"""The model as it serves: what scores its rows, and the contract of its inputs (numpy only, until one is opened)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.bundle import KEPT_BACK, read_json, verify
from serve.runtime import opened, runtime_of
from serve.words import MISSING, folded, spellings

SAME = 1e-6  # largest difference between an output and its golden one: the same runtime, the same rows

Outputs = npt.NDArray[np.float32]


class Model:
    """A sealed model folder, ready to score.

    `inputs` lists the columns that the model takes, in order; `target` tells kind and labels; `digest` names the model,
    `runtime` what runs it, `folder` is where it was read.

    Raises BundleError when the folder is not what its manifest says or the model cannot be loaded.
    """

    def __init__(self, folder: Path, threads: int = 1) -> None:
        self.folder = folder
        self.digest = verify(folder, may_lack=KEPT_BACK)
        self.runtime = runtime_of(folder)
        contract = read_json(folder / "contract.json")
        golden = read_json(folder / "golden.json")
        self.inputs: list[dict[str, Any]] = contract["inputs"]
        self.target: dict[str, Any] = contract["target"]
        self.golden_rows: list[dict[str, Any]] = golden["rows"]
        self.golden_outputs: Outputs = np.array(golden["outputs"], dtype="float32")
        self.session = opened(folder, self.inputs, self.target, threads)
        self._numbers = [place for place, spec in enumerate(self.inputs) if spec["type"] == "number"]
        self._texts = [
            (place, spellings(spec["values"]) if spec.get("fold") else None)
            for place, spec in enumerate(self.inputs)
            if spec["type"] != "number"
        ]

    @property
    def labels(self) -> list[str | int]:
        """The labels in the order of the outputs; none for a quantity."""
        return list(self.target["labels"])

    def outputs(self, columns: Mapping[str, Sequence[Any] | npt.NDArray[Any]]) -> Outputs:
        """Score columns, each a sequence of the same length; None and NaN are missing.

        Returns shape (rows, labels), the probabilities, or (rows, 1), the quantity in its unit.
        """
        return self.run(self.feeds([columns[spec["name"]] for spec in self.inputs]))

    def feeds(self, columns: Sequence[Sequence[Any] | npt.NDArray[Any]]) -> list[npt.NDArray[Any]]:
        """Make the model's tensors of columns in the order of the inputs, each of shape (rows, 1).

        Numbers are float32, NaN where missing; categories are the declared spelling, MISSING where missing.
        """
        return self.tensors(self.numbers(columns), columns)

    def numbers(self, columns: Sequence[Sequence[Any] | npt.NDArray[Any]]) -> npt.NDArray[np.float32]:
        """Make one block of the columns that hold numbers: float32 of shape (columns, rows), NaN where missing."""
        return np.array([columns[place] for place in self._numbers], dtype="float32").reshape(-1, len(columns[0]))

    def tensors(
        self, numbers: npt.NDArray[np.float32], columns: Sequence[Sequence[Any] | npt.NDArray[Any]]
    ) -> list[npt.NDArray[Any]]:
        """Make what `feeds` returns, where the block of `numbers` is there already."""
        # Two blocks and a view a column: for the few rows of a request, making an array a column is what costs
        texts = np.empty((len(self._texts), len(columns[0])), dtype=object)
        for row, (place, declared) in enumerate(self._texts):
            texts[row] = _told(columns[place], declared)
        blocks = {True: iter(numbers), False: iter(texts)}
        return [next(blocks[spec["type"] == "number"]).reshape(-1, 1) for spec in self.inputs]

    def tensor(self, values: Sequence[Any] | npt.NDArray[Any], place: int) -> npt.NDArray[Any]:
        """Make the tensor of one column, the input at `place`, as `feeds` does."""
        if place in self._numbers:
            return np.array(values, dtype="float32").reshape(-1, 1)
        texts = np.empty((len(values), 1), dtype=object)
        texts[:, 0] = _told(values, dict(self._texts)[place])
        return texts

    def run(self, feeds: Sequence[npt.NDArray[Any]]) -> Outputs:
        """Score tensors of `feeds`; returns what `outputs` returns."""
        scores = self.session.run(feeds)
        return np.asarray(scores, dtype="float32").reshape(len(scores), -1)

    def choices(self, outputs: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.intp]:
        """Choose a label's place for each row of outputs, shape (rows,); the earlier label wins a tie."""
        return np.asarray(np.argmax(outputs, axis=1))

    def differs_from_golden(self) -> str | None:
        """Score the golden rows; say in a sentence what differs from the outputs recorded at training."""
        columns = {spec["name"]: [row[spec["name"]] for row in self.golden_rows] for spec in self.inputs}
        scale = self.target.get("range", 1.0)
        try:
            served = self.outputs(columns) if self.golden_rows else np.empty((0, 0))
        except Exception as error:  # the runtimes raise whatever they meet, and it may quote a row
            return f"the golden rows cannot be scored: {type(error).__name__}"
        if not self.golden_rows or served.shape != self.golden_outputs.shape:
            return "the golden rows are missing, or have other outputs than the model gives"
        gap = np.abs(served - self.golden_outputs) / scale
        if gap.size and np.isfinite(gap).all() and gap.max() <= SAME:
            return None
        return f"golden row {int(gap.max(axis=1).argmax())} gives another output than at training (by {gap.max():g})"


def _told(values: Sequence[Any] | npt.NDArray[Any], declared: Mapping[str, str] | None) -> list[Any]:
    """Write texts as the model knows them: MISSING for None and NaN, and the declared spelling where it is folded."""
    told = [MISSING if value is None or value != value else value for value in values]  # NaN is unlike itself
    return told if declared is None else [declared.get(folded(text), text) for text in told]
