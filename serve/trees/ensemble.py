"""Score many rows by boosted trees written as bit vectors: ten times as fast as onnxruntime, to the same bits.

After Lucchese et al., QuickScorer: a fast algorithm to rank documents with additive ensembles of regression trees
(SIGIR 2015). A tree's leaves are the bits of a number, the leftmost the lowest. A split that sends a row to the right
clears the leaves on its left; the lowest bit that is left is the row's leaf. What the splits of one column clear
follows from where its value lies between their bounds, so it is worked out ahead, for all trees at once: a row takes
one line of a table a column. Columns whose tables are small share one. The loops are numpy's, without the interpreter's
lock.

`train/trees.py` writes the file, and training proves on the test rows that it gives what the graph gives.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from serve.bundle import BundleError
from serve.coded import Codes, Texts
from serve.model import Outputs
from serve.trees.columns import ALL, LEAVES, Category, Places, column_of, shared, together
from serve.trees.powers import exp

FILE = "trees.npz"  # beside model.onnx; a model that is no ensemble of small trees has none
EXPONENT = {32: (23, 127, "float32"), 64: (52, 1023, "float64")}  # where a float holds the place of a lone bit
BLOCK = 400_000  # bytes of one line a row: some 1,000 rows of a hundred trees, what a core keeps near


def _logistic(sums: Outputs) -> Outputs:
    low = 1 / (1 + exp(-np.abs(sums[0])))
    return np.stack([np.where(sums[0] > 0, 1 - low, low), np.where(sums[0] < 0, 1 - low, low)])


def _softmax(sums: Outputs) -> Outputs:
    powers = exp(sums - sums.max(axis=0))
    shares: Outputs = powers / np.add.reduce(powers, axis=0)
    return shares


# How sums become outputs, each of shape (sums, rows) and (outputs, rows), by onnxruntime's names
TURNS: dict[str, Callable[[Outputs], Outputs]] = {
    "NONE": lambda sums: sums,
    "LOGISTIC": _logistic,
    "SOFTMAX": _softmax,
}


class Trees:
    """An ensemble of trees; `inputs` are the contract's columns, in their order.

    Raises BundleError when the file cannot be read.
    """

    def __init__(self, file: Path, inputs: Sequence[Mapping[str, Any]]) -> None:
        try:
            with np.load(file, allow_pickle=False) as held:
                parts = {name: held[name] for name in held.files}
            self._leaves, self._adds_to, self._base = parts["leaves"], parts["adds_to"], parts["base"]
            self._flat = self._leaves.ravel()
            self._turned = TURNS[str(parts["turn"])]
            values = {int(at): known for at, known in json.loads(str(parts["values"])).items()}
            self._columns = [column_of(at, spec, parts, values.get(at, ())) for at, spec in enumerate(inputs)]
        except (OSError, ValueError, KeyError, IndexError, EOFError, BadZipFile) as error:
            raise BundleError(f"{file} cannot be read as trees: {type(error).__name__}") from None
        self._idle: list[_Work] = []  # of threads that are done with it
        self._shared = shared([column for column in self._columns if column.asked])

    def places(self, column: int, values: Sequence[Any] | npt.NDArray[Any]) -> Places:
        """Place the values of a column, None and NaN are missing, between the bounds of its splits; shape (rows,)."""
        return self._columns[column].places(values)

    @property
    def count(self) -> int:
        """How many trees there are."""
        return len(self._leaves)

    @property
    def texts(self) -> list[Texts]:
        """What the trees know of each category, in the order of the inputs."""
        return [column.texts for column in self._columns if isinstance(column, Category)]

    def coded(self, numbers: npt.NDArray[np.float32], codes: Sequence[Codes]) -> Outputs:
        """Score the block of `Model.numbers`, with the codes by `texts` of each category; as `score`."""
        told, block = iter(codes), iter(numbers)
        return self.outputs([
            column.coded(next(told)) if isinstance(column, Category) else column.places(next(block))
            for column in self._columns
        ])  # fmt: skip

    def score(self, columns: Sequence[Sequence[Any] | npt.NDArray[Any]]) -> Outputs:
        """Score columns in the order of the inputs; returns what `Model.run` returns."""
        return self.outputs([self.places(at, values) for at, values in enumerate(columns)])

    def outputs(self, places: Sequence[Places]) -> Outputs:
        """Score rows by the places of their values, a column each, as `score` does."""
        tables = [(table, together(places, columns)) for columns, table in self._shared]
        rows = len(places[0])
        made = np.empty((len(self._base), rows), "float32")
        try:
            work = self._idle.pop()
        except IndexError:  # not asked before: another thread may take the last one meanwhile
            work = self._work()
        for start in range(0, rows, len(work.left)):
            block = slice(start, min(start + len(work.left), rows))
            self._add(tables, block, work, made[:, block])
        self._idle.append(work)
        made += self._base[:, np.newaxis]
        return self._turned(made).T

    def _work(self) -> "_Work":
        trees, bits = self._leaves.shape
        lines = max(1, BLOCK // (trees * bits // 8))
        whole = LEAVES[bits]
        return _Work(
            np.empty((lines, trees), whole),
            np.empty((lines, trees), whole),
            np.tile(np.arange(trees, dtype=whole) * bits - EXPONENT[bits][1], (lines, 1)),
            np.empty((trees, lines), "intp"),
            np.empty((trees, lines), "float32"),
        )

    def _add(
        self, tables: Sequence[tuple[npt.NDArray[Any], Places]], block: slice, work: "_Work", made: Outputs
    ) -> None:
        """Add up the leaves of a block of rows, in the order of the trees, as onnxruntime does."""
        bits = self._leaves.shape[1]
        rows = block.stop - block.start
        left, line = work.left[:rows], work.line[:rows]
        if not tables:
            left.fill(ALL[bits])
        for number, (table, places) in enumerate(tables):
            # 'clip', since out= is slow in any other mode: all places are in the table
            table.take(places[block], axis=0, out=line if number else left, mode="clip")
            if number:
                np.bitwise_and(left, line, out=left)
        np.negative(left, out=line)
        np.bitwise_and(left, line, out=left)  # the lowest bit alone
        shift, _, kind = EXPONENT[bits]
        np.copyto(line.view(kind), left)
        np.right_shift(line, shift, out=line)  # a power of two is its exponent
        np.add(line, work.first[:rows], out=line)
        places, found = work.places[:, :rows], work.found[:, :rows]
        np.copyto(places, line.T)
        self._flat.take(places, out=found, mode="clip")
        for place in range(len(made)):
            first, last = np.searchsorted(self._adds_to, (place, place + 1))
            if rows > 1:
                np.add.reduce(found[first:last], axis=0, out=made[place])
            else:  # reduce would add up what lies in one line in pairs
                made[place] = np.add.accumulate(found[first:last], axis=0)[-1]


@dataclass(frozen=True)
class _Work:
    """Room for a block of rows, used again and again: fresh memory costs more than what is computed in it."""

    left: npt.NDArray[Any]
    line: npt.NDArray[Any]
    first: npt.NDArray[Any]  # where each tree's leaves begin, written out: to spread one line costs twice the sum
    places: npt.NDArray[np.intp]
    found: Outputs
