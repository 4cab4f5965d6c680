"""What the splits of one column leave of the trees, worked out ahead: a line of a table for each place of a value."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from serve.coded import Codes, Texts
from serve.words import MISSING

LEAVES = {32: "int32", 64: "int64"}  # bits of a number by the leaves a tree has at most, one more; the sign stays out
ALL = {bits: (1 << (bits - 1)) - 1 for bits in LEAVES}
SHARED = 700  # lines of a table that columns share; with more of them it leaves the cache
COUNTED = 1 << 17  # whole numbers that a table of places may hold; a wider range is searched
EXACT = 1 << 24  # whole numbers up to here are float32
Places = npt.NDArray[np.intp]


class Column(ABC):
    """A column of the contract: `table` has a line for each place, `at` is its own place among the columns."""

    def __init__(self, at: int, table: npt.NDArray[Any], splits: int) -> None:
        self.at, self.asked = at, splits > 0
        # Each line once: where no tree asks for a category, it has the line of those never seen. By hand, as the bounds
        # of numbers: the first np.unique of a process loads numpy.ma, which takes longer than all else here
        found: dict[bytes, int] = {}
        lines = [found.setdefault(line.tobytes(), len(found)) for line in table]
        self.table = np.frombuffer(b"".join(found), table.dtype).reshape(-1, table.shape[1])
        self._lines: Places = np.array(lines, dtype="intp")

    @abstractmethod
    def places(self, values: Sequence[Any] | npt.NDArray[Any]) -> Places:
        """Find the line of each value, shape (rows,); None and NaN are missing."""


class Category(Column):
    """A column of texts; `known` are those that the trees may ask for, as the model is told them."""

    def __init__(self, at: int, texts: Texts, known: Sequence[str], splits: "Splits") -> None:
        table = splits.table(len(known) + 1)
        np.bitwise_and.at(table, (splits.bound.astype("intp"), splits.tree), splits.mask)
        super().__init__(at, table, len(splits.tree))
        self.texts, rows = texts, {text: row for row, text in enumerate(known)}
        asked = [rows.get(text, len(known)) for text in (*texts.values, MISSING)]
        self._coded: Places = self._lines[[*asked, len(known)]]

    def places(self, values: Sequence[str | None] | npt.NDArray[Any]) -> Places:
        """Find the lines of texts."""
        return self.coded(self.texts.codes(values, len(values)))

    def coded(self, codes: Codes) -> Places:
        """Find the lines of texts by their codes."""
        return self._coded.take(codes)


class Number(Column):
    """A column of float32: a line for each gap between the bounds that trees ask for, the last for a missing value.

    `whole` is the range of a column of whole numbers, None for another one: a table then takes the place of the search.
    """

    def __init__(self, at: int, whole: range | None, splits: "Splits") -> None:
        bounds = np.array(sorted(set(splits.bound.tolist())), dtype="float32")
        table = splits.table(len(bounds) + 2)
        np.bitwise_and.at(table, (np.searchsorted(bounds, splits.bound) + 1, splits.tree), splits.mask)
        np.bitwise_and.accumulate(table[:-1], axis=0, out=table[:-1])
        right = ~splits.missing
        table[-1] = ALL[splits.bits]
        np.bitwise_and.at(table[-1], splits.tree[right], splits.mask[right])
        super().__init__(at, table, len(splits.tree))
        self._bounds = np.append(bounds, np.float32(np.inf))  # NaN is sorted behind it, so its place is the last
        self._before = float(whole.start - 1) if whole else None
        if whole:
            numbers = np.arange(whole.start - 1, whole.stop, dtype="float32")
            numbers[0] = math.nan  # `fmax` turns a missing value into the number before the range
            self._counted = self._found(numbers)

    def places(self, values: Sequence[float | None] | npt.NDArray[Any]) -> Places:
        """Find the lines of numbers; whole ones lie in the contract's range."""
        numbers = np.asarray(values, dtype="float32")
        if self._before is None:
            return self._found(numbers)
        counted = np.fmax(numbers, self._before)
        counted -= self._before
        places: Places = self._counted.take(counted.astype("intp"), mode="clip")
        return places

    def _found(self, values: npt.NDArray[Any]) -> Places:
        return self._lines.take(self._bounds.searchsorted(values))


@dataclass(frozen=True)
class Splits:
    """The splits that ask for one column: the `tree` of each, and the leaves that stay in it where its answer is no.

    `bound` is a number's bound, yes is at most that; or a category's place, yes is another one. `missing` tells
    whether a missing number is a yes. `trees` and `bits` are the size of a line.
    """

    tree: npt.NDArray[np.intp]
    mask: npt.NDArray[Any]
    bound: npt.NDArray[np.float32]
    missing: npt.NDArray[np.bool_]
    trees: int
    bits: int

    def table(self, lines: int) -> npt.NDArray[Any]:
        """Make a table in which every tree has all its leaves."""
        return np.full((lines, self.trees), ALL[self.bits], LEAVES[self.bits])


def column_of(at: int, spec: Mapping[str, Any], parts: Mapping[str, Any], known: Sequence[str]) -> Column:
    """Make the column at a place of the contract out of what the file of the trees holds.

    Raises KeyError, ValueError or IndexError where that is no such file.
    """
    trees, bits = parts["leaves"].shape
    tree, mask, bound, missing = (parts[name][parts["column"] == at] for name in ("tree", "mask", "bound", "missing"))
    splits = Splits(tree.astype("intp"), mask.astype(LEAVES[bits]), bound, missing, trees, bits)
    if spec["type"] != "number":
        return Category(at, Texts(spec, known), known, splits)
    return Number(at, _counted(spec), splits)


def _counted(spec: Mapping[str, Any]) -> range | None:
    """Find the range of whole numbers whose places a table may hold: a small one, and all of it is float32."""
    if not spec["integer"]:
        return None
    whole = range(math.ceil(spec["low"]), math.floor(spec["high"]) + 1)
    return whole if 0 < len(whole) <= COUNTED and whole.start > -EXACT and whole.stop <= EXACT else None


def shared(columns: Sequence[Column]) -> list[tuple[list[tuple[int, int]], npt.NDArray[Any]]]:
    """Join the tables of columns while they stay small, the largest first: for each the columns and their lines."""
    made: list[tuple[list[tuple[int, int]], npt.NDArray[Any]]] = []
    for column in sorted(columns, key=lambda one: -len(one.table)):
        lines = len(column.table)
        for number, (joined, table) in enumerate(made):
            if len(table) * lines <= SHARED:
                both = (table[:, np.newaxis] & column.table[np.newaxis]).reshape(-1, table.shape[1])
                made[number] = ([*joined, (column.at, lines)], both)
                break
        else:
            made.append(([(column.at, lines)], column.table))
    return made


def together(places: Sequence[Places], columns: Sequence[tuple[int, int]]) -> Places:
    """Find the lines of rows in a table that columns share; takes the places of all columns, and those that share."""
    joined = places[columns[0][0]]
    for at, lines in columns[1:]:
        joined = joined * lines + places[at]
    return joined
